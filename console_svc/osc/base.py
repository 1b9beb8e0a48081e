# SPDX-License-Identifier: Apache-2.0

"""Base classes and helpers of the commands."""

import argparse
import datetime
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from cliff import columns
from osc_lib import exceptions
from osc_lib.command import command

from console_svc.osc.client import Client

#: What clients of a session may do.
MODES: Final = ('control', 'view')


class Time(columns.FormattableColumn[int]):
    """Seconds since the epoch; in tables, a date and time."""

    def human_readable(self) -> str:
        time = datetime.datetime.fromtimestamp(self._value, datetime.UTC)
        return f'{time:%Y-%m-%dT%H:%M:%SZ}'


class ConsoleCommand(command.Command):
    """A command that uses the compute endpoint."""

    @property
    def client(self) -> Client:
        """The plugin's client."""
        client: Client = self.app.client_manager.console  # type: ignore[attr-defined]
        return client


class ServerCommand(ConsoleCommand):
    """A command whose first argument is a server."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'server',
            metavar='<server>',
            help='The name or ID of the server.',
        )
        return parser


def call_each(
    calls: Sequence[tuple[str, Callable[[], None]]],
    verb: str,
    kind: str,
    log: logging.Logger,
) -> None:
    """Make all calls, even if some fail.

    :param calls: the name of a resource, and the call for it
    :param verb: what the calls do, for messages: "delete"
    :param kind: the kind of the resources, for messages: "consoles"
    :param log: gets a line for each call that fails
    :raises osc_lib.exceptions.CommandError: some calls failed; the message
        has their number
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
    """Return a resource in the form that ``ShowOne`` expects."""
    names = sorted(fields)
    return names, [fields[name] for name in names]
