# SPDX-License-Identifier: Apache-2.0

"""What the commands have in common."""

import argparse
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from osc_lib import exceptions
from osc_lib.command import command

from console_svc.osc.client import Client


class ConsoleCommand(command.Command):
    """A command that asks the compute endpoint."""

    @property
    def client(self) -> Client:
        """The plugin's."""
        client: Client = self.app.client_manager.console  # type: ignore[attr-defined]
        return client


class ServerCommand(ConsoleCommand):
    """A command about a server, its first argument."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'server', metavar='<server>', help='Server (name or ID)'
        )
        return parser


def each(
    calls: Sequence[tuple[str, Callable[[], None]]],
    verb: str,
    kind: str,
    log: logging.Logger,
) -> None:
    """Make all calls, also when one fails.

    :param calls: with the name of what each is about
    :param verb: what they do
    :param kind: what to, in the plural
    :raises osc_lib.exceptions.CommandError: how many have failed
    """
    failed = 0
    for name, call in calls:
        try:
            call()
        except exceptions.CommandError as error:
            log.error('Failed to %s %s: %s', verb, name, error)
            failed += 1
    if failed:
        raise exceptions.CommandError(
            f'{failed} of {len(calls)} {kind} failed to {verb}.'
        )


def show(fields: Mapping[str, Any]) -> tuple[Sequence[str], Iterable[Any]]:
    """A resource as ``ShowOne`` returns it."""
    names = sorted(fields)
    return names, [fields[name] for name in names]
