# SPDX-License-Identifier: Apache-2.0

"""The commands ``openstack console session``."""

import argparse
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from osc_lib.command import command

from console_svc.osc.base import (
    MODES,
    ConsoleCommand,
    ServerCommand,
    Time,
    call_each,
)

_COLUMNS = {
    'ID': 'id',
    'Console Type': 'console_type',
    'Mode': 'mode',
    'User ID': 'user_id',
    'Client Address': 'client_address',
    'Created At': 'created_at',
}
_LIVE_COLUMNS = {**_COLUMNS, 'Expires': 'expires'}
_ENDED_COLUMNS = {
    **_COLUMNS,
    'Ended At': 'ended_at',
    'End Reason': 'end_reason',
    'Ended By': 'ended_by',
    'Received': 'received',
    'Sent': 'sent',
}
_LONG_COLUMNS = {
    'Project ID': 'project_id',
    'Server ID': 'instance_uuid',
    'Recording ID': 'recording_id',
}
_TIMES = frozenset({'created_at', 'ended_at', 'expires'})


class ListConsoleSession(ConsoleCommand, command.Lister):
    """List console sessions: open ones, or the history of those that ended."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        subject = parser.add_mutually_exclusive_group(required=True)
        subject.add_argument(
            'server',
            metavar='<server>',
            nargs='?',
            help='The name or ID of the server.',
        )
        subject.add_argument(
            '--all',
            action='store_true',
            help='List the sessions of all servers; for administrators.',
        )
        parser.add_argument(
            '--ended',
            action='store_true',
            help='List the sessions that have ended, the latest first.',
        )
        for option, metavar, help_ in (
            ('--user', '<user-id>', 'of the user with this ID'),
            ('--console-type', '<type>', 'of this console type'),
            (
                '--changes-since',
                '<time>',
                'that were opened or, with --ended, ended at this time or '
                'later, in the format of ISO 8601',
            ),
            (
                '--changes-before',
                '<time>',
                'that were opened or ended at this time or earlier',
            ),
        ):
            parser.add_argument(
                option, metavar=metavar, help=f'List only sessions {help_}.'
            )
        parser.add_argument(
            '--limit',
            metavar='<number>',
            type=int,
            help='List this number of sessions at most. The service has a '
            'limit, too.',
        )
        parser.add_argument(
            '--marker',
            metavar='<session-id>',
            help='List the sessions after this one, the last of the previous '
            'page.',
        )
        parser.add_argument(
            '--long',
            action='store_true',
            help='Also list the project, the server and the recording of each '
            'session.',
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        query = {
            'status': 'ended' if parsed_args.ended else None,
            'user_id': parsed_args.user,
            'console_type': parsed_args.console_type,
            'changes-since': parsed_args.changes_since,
            'changes-before': parsed_args.changes_before,
            'limit': parsed_args.limit,
            'marker': parsed_args.marker,
        }
        segments = ['console-sessions']
        if not parsed_args.all:
            server = self.client.server(parsed_args.server)
            segments = ['servers', server, *segments]
        document = self.client.get(
            *segments,
            query={
                name: value
                for name, value in query.items()
                if value is not None
            },
        )
        fields = _ENDED_COLUMNS if parsed_args.ended else _LIVE_COLUMNS
        if parsed_args.long or parsed_args.all:
            fields = {**fields, **_LONG_COLUMNS}
        return tuple(fields), [
            [_value(name, session.get(name)) for name in fields.values()]
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
    if name in _TIMES and value is not None:
        return Time(value)
    return value
