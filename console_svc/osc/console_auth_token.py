# SPDX-License-Identifier: Apache-2.0

"""The commands ``openstack console auth token``."""

import argparse
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from osc_lib.command import command

from console_svc.osc.arguments import console_token
from console_svc.osc.base import (
    MODES,
    ConsoleCommand,
    ServerCommand,
    Time,
    call_each,
    show,
)


class CreateConsoleAuthToken(ServerCommand, command.ShowOne):
    """Issue a console token with terms and show it, with its URL.

    Readers of a project can issue tokens with the mode view, and members
    tokens with the mode control.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--type',
            metavar='<type>',
            required=True,
            help='The console type, such as novnc, spice-html5 or serial.',
        )
        parser.add_argument(
            '--mode',
            choices=MODES,
            default='control',
            help='What clients may do: view is watching only. '
            'Default: control.',
        )
        parser.add_argument(
            '--ttl',
            metavar='<seconds>',
            type=int,
            help='The seconds for which the token is valid. Default: what the '
            'service is configured for.',
        )
        parser.add_argument(
            '--max-uses',
            metavar='<number>',
            type=int,
            help='The number of sessions that the token can open. Default: '
            'what the service is configured for.',
        )
        parser.add_argument(
            '--client-address',
            metavar='<address>',
            help='The only IP address that can use the token. Default: what '
            'the service is configured for.',
        )
        parser.add_argument(
            '--record',
            action='store_const',
            const=True,
            help='Sessions that the token opens must be recorded.',
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        server = self.client.server(parsed_args.server)
        terms = {
            name: getattr(parsed_args, name)
            for name in (
                *('type', 'mode', 'ttl', 'max_uses', 'client_address'),
                'record',
            )
        }
        document = self.client.send(
            *('POST', 'servers', server, 'console-auth-tokens'),
            body={
                'console_auth_token': {
                    name: value
                    for name, value in terms.items()
                    if value is not None
                }
            },
        )
        token = document['console_auth_token']
        return show({**token, 'expires_at': Time(token['expires_at'])})


class ShowConsoleAuthToken(ConsoleCommand, command.ShowOne):
    """Show the connection information of a console token.

    By default, only administrators and console proxies may use this command.
    It does not count as a use of the token.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'token',
            metavar='<token>',
            type=console_token,
            help='The token to show. - reads it from standard input.',
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        path = ('os-console-auth-tokens', parsed_args.token)
        return show(self.client.get(*path)['console'])


class RevokeConsoleAuthToken(ConsoleCommand):
    """Revoke console tokens and end their sessions."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        target = parser.add_mutually_exclusive_group(required=True)
        target.add_argument(
            'token',
            metavar='<token>',
            nargs='*',
            default=[],
            type=console_token,
            help='The tokens to revoke. - reads one from standard input.',
        )
        target.add_argument(
            '--server',
            metavar='<server>',
            help='Revoke all console tokens of the server with this name or '
            'ID.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        if parsed_args.server is not None:
            server = self.client.server(parsed_args.server)
            self.client.delete('servers', server, 'console-auth-tokens')
            return
        delete = partial(self.client.delete, 'os-console-auth-tokens')
        call_each(
            [
                # Messages have its position, because the token is secret.
                (f'token {position}', partial(delete, token))
                for position, token in enumerate(parsed_args.token, 1)
            ],
            *('revoke', 'tokens', self.log),
        )
