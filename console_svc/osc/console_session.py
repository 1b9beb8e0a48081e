# SPDX-License-Identifier: Apache-2.0

"""The commands ``openstack console session``."""

import argparse
import datetime
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from cliff import columns
from osc_lib.command import command

from console_svc.osc.base import ServerCommand, call_each

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


class _Time(columns.FormattableColumn[int]):
    """Seconds since the epoch; in tables, a date and time."""

    def human_readable(self) -> str:
        time = datetime.datetime.fromtimestamp(self._value, datetime.UTC)
        return f'{time:%Y-%m-%dT%H:%M:%SZ}'


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


def _value(name: str, value: Any) -> Any:
    if name in ('created_at', 'expires') and value is not None:
        return _Time(value)
    return value
