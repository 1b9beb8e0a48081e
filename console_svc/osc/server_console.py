# SPDX-License-Identifier: Apache-2.0

"""openstack server console: consoles for native VNC clients."""

import argparse
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from osc_lib import exceptions
from osc_lib.command import command

from console_svc.osc.base import ServerCommand, each, show
from console_svc.osc.client import Client


class ListServerConsole(ServerCommand, command.Lister):
    """List native consoles of a server that are open"""

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        server = self.client.server(parsed_args.server)
        return ('ID', 'Console Type'), [
            (console['id'], console['console_type'])
            for console in _list(self.client, server)
        ]


class CreateServerConsole(ServerCommand, command.ShowOne):
    """Open the native console of a server, and show it

    A console that is open already is kept, with its password.
    """

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        server = self.client.server(parsed_args.server)
        # The answer has no body.
        self.client.post('servers', server, 'consoles')
        return _show(self.client, server, _only(self.client, server))


class ShowServerConsole(ServerCommand, command.ShowOne):
    """Show where a native console of a server is, and its password"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'console',
            metavar='<console>',
            nargs='?',
            help='Console to show (ID; by default the only one)',
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        server = self.client.server(parsed_args.server)
        console = parsed_args.console
        if console is None:
            console = _only(self.client, server)
        return _show(self.client, server, console)


class DeleteServerConsole(ServerCommand):
    """Close native consoles of a server

    Their passwords are void when the command has ended.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'console',
            metavar='<console>',
            nargs='*',
            help='Console(s) to close (ID; by default the only one)',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        server = self.client.server(parsed_args.server)
        consoles = parsed_args.console or [_only(self.client, server)]
        delete = partial(self.client.delete, 'servers', server, 'consoles')
        each(
            [(f'console {name}', partial(delete, name)) for name in consoles],
            *('delete', 'consoles', self.log),
        )


def _list(client: Client, server: str) -> list[dict[str, Any]]:
    document = client.get('servers', server, 'consoles')
    return [item['console'] for item in document['consoles']]


def _only(client: Client, server: str) -> str:
    """The id of the console that needs no naming.

    :raises osc_lib.exceptions.CommandError: there is none, or several
    """
    ids = [str(console['id']) for console in _list(client, server)]
    if not ids:
        raise exceptions.CommandError(
            f'Server {server} has no native console that is open.'
        )
    if len(ids) > 1:
        raise exceptions.CommandError(
            f'Server {server} has several native consoles, name one: '
            f'{", ".join(ids)}.'
        )
    return ids[0]


def _show(
    client: Client, server: str, console: str
) -> tuple[Sequence[str], Iterable[Any]]:
    document = client.get('servers', server, 'consoles', console)
    return show(document['console'])
