# SPDX-License-Identifier: Apache-2.0

"""The commands ``openstack server console``."""

import argparse
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from osc_lib import exceptions
from osc_lib.command import command

from console_svc.osc.base import ServerCommand, call_each, show
from console_svc.osc.client import Client


class ListServerConsole(ServerCommand, command.Lister):
    """List open native consoles of a server."""

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        server = self.client.server(parsed_args.server)
        return ('ID', 'Console Type'), [
            (console['id'], console['console_type'])
            for console in _list(self.client, server)
        ]


class CreateServerConsole(ServerCommand, command.ShowOne):
    """Open the native console of a server and show it.

    If the console is already open, it is shown with its existing password.
    """

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        server = self.client.server(parsed_args.server)
        # The answer has no body: get the console with another request.
        self.client.post('servers', server, 'consoles')
        return _show(self.client, server, _only(self.client, server))


class ShowServerConsole(ServerCommand, command.ShowOne):
    """Show the address and the password of a native console of a server."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'console',
            metavar='<console>',
            nargs='?',
            help='The ID of the console. Default: the only one of the server.',
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
    """Close native consoles of a server.

    Their passwords become invalid immediately.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'console',
            metavar='<console>',
            nargs='*',
            help='The IDs of the consoles to close. '
            'Default: the only one of the server.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        server = self.client.server(parsed_args.server)
        consoles = parsed_args.console or [_only(self.client, server)]
        delete = partial(self.client.delete, 'servers', server, 'consoles')
        call_each(
            [(f'console {name}', partial(delete, name)) for name in consoles],
            *('delete', 'consoles', self.log),
        )


def _list(client: Client, server: str) -> list[dict[str, Any]]:
    document = client.get('servers', server, 'consoles')
    return [item['console'] for item in document['consoles']]


def _only(client: Client, server: str) -> str:
    """Return the id of the server's only console.

    :raises osc_lib.exceptions.CommandError: the server has no console, or
        several
    """
    ids = [str(console['id']) for console in _list(client, server)]
    if not ids:
        raise exceptions.CommandError(
            f'Server {server} has no open native console.'
        )
    if len(ids) > 1:
        raise exceptions.CommandError(
            f'Server {server} has several native consoles, specify one: '
            f'{", ".join(ids)}.'
        )
    return ids[0]


def _show(
    client: Client, server: str, console: str
) -> tuple[Sequence[str], Iterable[Any]]:
    document = client.get('servers', server, 'consoles', console)
    return show(document['console'])
