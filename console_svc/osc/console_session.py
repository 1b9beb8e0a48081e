# SPDX-License-Identifier: Apache-2.0

"""The commands ``openstack console session``."""

import argparse
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from osc_lib.command import command

from console_svc.osc.base import MODES, ServerCommand, Time, call_each

_COLUMNS = {
    'ID': 'id',
    'Console Type': 'console_type',
    'User ID': 'user_id',
    'Client Address': 'client_address',
    'Created At': 'created_at',
    'Expires': 'expires',
}
_LONG_COLUMNS = {
    **_COLUMNS,
    'Project ID': 'project_id',
    'Server ID': 'instance_uuid',
}


class ListConsoleSession(ServerCommand, command.Lister):
    """List open console sessions of a server."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--long',
            action='store_true',
            help='Also list the project and the server of each session.',
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        server = self.client.server(parsed_args.server)
        document = self.client.get('servers', server, 'console-sessions')
        fields = _LONG_COLUMNS if parsed_args.long else _COLUMNS
        return tuple(fields), [
            [_value(name, session[name]) for name in fields.values()]
            for session in document['console_sessions']
        ]


class EndConsoleSession(ServerCommand):
    """End console sessions of a server.

    The console proxy closes the connection at its next keep-alive request.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'session',
            metavar='<session>',
            nargs='+',
            help='The IDs of the sessions to end.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        server = self.client.server(parsed_args.server)
        end = partial(
            self.client.delete, 'servers', server, 'console-sessions'
        )
        call_each(
            [
                (f'session {name}', partial(end, name))
                for name in parsed_args.session
            ],
            *('end', 'sessions', self.log),
        )


class SetConsoleSession(ServerCommand):
    """Let clients of console sessions control a server, or only watch it.

    The console proxy obeys at its next keep-alive request.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'session',
            metavar='<session>',
            nargs='+',
            help='The IDs of the sessions.',
        )
        parser.add_argument(
            '--mode',
            choices=MODES,
            required=True,
            help='What their clients may do: view is watching only.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        server = self.client.server(parsed_args.server)
        body = {'console_session': {'mode': parsed_args.mode}}

        def change(name: str) -> None:
            self.client.send(
                *('PUT', 'servers', server, 'console-sessions', name),
                body=body,
            )

        call_each(
            [
                (f'session {name}', partial(change, name))
                for name in parsed_args.session
            ],
            *('change', 'sessions', self.log),
        )


def _value(name: str, value: Any) -> Any:
    if name in ('created_at', 'expires') and value is not None:
        return Time(value)
    return value
