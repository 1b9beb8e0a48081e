# SPDX-License-Identifier: Apache-2.0

"""openstack console auth token: where tokens lead, and their end."""

import argparse
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from osc_lib.command import command

from console_svc.osc.arguments import console_token
from console_svc.osc.base import ConsoleCommand, each, show


class ShowConsoleAuthToken(ConsoleCommand, command.ShowOne):
    """Show where a console token leads

    For administrators and console proxies. It is no use of the token.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'token',
            metavar='<token>',
            type=console_token,
            help='Token to look up (- reads it from standard input)',
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        path = ('os-console-auth-tokens', parsed_args.token)
        return show(self.client.get(*path)['console'])


class RevokeConsoleAuthToken(ConsoleCommand):
    """Make console tokens void, and end their sessions"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument(
            'token',
            metavar='<token>',
            nargs='*',
            default=[],
            type=console_token,
            help='Token(s) to revoke (- reads one from standard input)',
        )
        what.add_argument(
            '--server',
            metavar='<server>',
            help='Revoke all tokens of this server (name or ID)',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        if parsed_args.server is not None:
            server = self.client.server(parsed_args.server)
            self.client.delete('servers', server, 'console-auth-tokens')
            return
        delete = partial(self.client.delete, 'os-console-auth-tokens')
        each(
            [
                # By its place: it is a secret.
                (f'token {place}', partial(delete, token))
                for place, token in enumerate(parsed_args.token, 1)
            ],
            *('revoke', 'tokens', self.log),
        )
