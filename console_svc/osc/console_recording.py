# SPDX-License-Identifier: Apache-2.0

"""The commands ``openstack console recording``."""

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import requests
from osc_lib import exceptions
from osc_lib.command import command

from console_svc.osc import player
from console_svc.osc.base import ServerCommand, Time, call_each, show

LOG = logging.getLogger(__name__)

_COLUMNS: Final = {
    'ID': 'id',
    'Console Type': 'console_type',
    'User ID': 'user_id',
    'Client Address': 'client_address',
    'Started At': 'started_at',
    'Duration': 'duration',
    'State': 'state',
}
_LONG_COLUMNS: Final = {
    'Session ID': 'session_id',
    'Project ID': 'project_id',
    'Format': 'format',
    'Size': 'size',
}

# The format that plays in a terminal.
_ASCIICAST: Final = 'asciicast-2'

# The format of a recording -> the extension of its file.
_EXTENSIONS: Final = {_ASCIICAST: 'cast', 'fbs-1': 'fbs'}

_BYTES: Final = 1 << 16


class RecordingCommand(ServerCommand):
    """A command on one recording."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'recording',
            metavar='<recording>',
            help='The ID of the recording.',
        )
        return parser

    def path(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        """The segments of the path of the recording."""
        server = self.client.server(parsed_args.server)
        return 'servers', server, 'console-recordings', parsed_args.recording


class ListConsoleRecording(ServerCommand, command.Lister):
    """List the recordings of a server's sessions, the newest first."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--limit',
            metavar='<number>',
            type=int,
            help='List this number of recordings at most. The service has a '
            'limit, too.',
        )
        parser.add_argument(
            '--marker',
            metavar='<recording-id>',
            help='List the recordings after this one, the last of the '
            'previous page.',
        )
        parser.add_argument(
            '--long',
            action='store_true',
            help='Also list the session, the project, the format and the size '
            'of each recording.',
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        server = self.client.server(parsed_args.server)
        query = {'limit': parsed_args.limit, 'marker': parsed_args.marker}
        document = self.client.get(
            *('servers', server, 'console-recordings'),
            query={
                name: value
                for name, value in query.items()
                if value is not None
            },
        )
        fields = {**_COLUMNS, **(_LONG_COLUMNS if parsed_args.long else {})}
        return tuple(fields), [
            [_value(name, recording) for name in fields.values()]
            for recording in document['console_recordings']
        ]


class ShowConsoleRecording(RecordingCommand, command.ShowOne):
    """Show a recording of a session."""

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        document = self.client.get(*self.path(parsed_args))
        recording = document['console_recording']
        return show({name: _value(name, recording) for name in recording})


class SaveConsoleRecording(RecordingCommand):
    """Save a recording in a file, and print its name.

    A recording of a serial console is a file of asciinema, and one of VNC is
    an FBS file.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--file',
            metavar='<file>',
            help='The file, which must not exist. Default: the ID with .cast '
            'or .fbs, in the current folder.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        path = self.path(parsed_args)
        recording = self.client.get(*path)['console_recording']
        extension = _EXTENSIONS.get(recording['format'], 'rec')
        file = Path(parsed_args.file or f'{recording["id"]}.{extension}')
        with self.client.stream(*path, 'content') as answer:
            try:
                _save(answer, file)
            except OSError as error:
                raise exceptions.CommandError(f'{file}: {error}') from None
        self.app.stdout.write(f'{file}\n')


class PlayConsoleRecording(RecordingCommand):
    """Play a recording of a serial console in the terminal.

    Type q or Ctrl+C to end. For a recording of VNC, the command prints the
    URL of a page that plays it, which is valid for a short time.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--speed',
            metavar='<factor>',
            type=_factor,
            default=1.0,
            help='Play it this much faster. Default: 1.',
        )
        parser.add_argument(
            '--max-idle',
            metavar='<seconds>',
            type=_factor,
            help='Shorten pauses to this time.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        path = self.path(parsed_args)
        recording = self.client.get(*path)['console_recording']
        if recording['format'] != _ASCIICAST:
            access = self.client.send('POST', *path, 'access')['access']
            self.app.stdout.write(f'{access["url"]}\n')
            return
        source, target = sys.stdin.fileno(), sys.stdout.fileno()
        if not (os.isatty(source) and os.isatty(target)):
            raise exceptions.CommandError(
                'Standard input and output must be a terminal. "openstack '
                'console recording save" saves the recording.'
            )
        with self.client.stream(*path, 'content') as answer:
            player.play(
                player.events(_parts(answer)),
                source,
                target,
                parsed_args.speed,
                parsed_args.max_idle,
            )


class DeleteConsoleRecording(ServerCommand):
    """Delete recordings of a server's sessions."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'recording',
            metavar='<recording>',
            nargs='+',
            help='The IDs of the recordings.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        server = self.client.server(parsed_args.server)
        path = ('servers', server, 'console-recordings')
        call_each(
            [
                (
                    f'recording {recording}',
                    partial(self.client.delete, *path, recording),
                )
                for recording in parsed_args.recording
            ],
            'delete',
            'recordings',
            LOG,
        )


def _value(name: str, recording: dict[str, Any]) -> Any:
    if name == 'started_at':
        return Time(recording[name])
    return recording.get(name)


def _factor(text: str) -> float:
    """Parse an argument that is a positive number."""
    number = float(text)
    if not 0 < number < float('inf'):
        raise ValueError(text)
    return number


def _parts(answer: requests.Response) -> Iterator[bytes]:
    """The body of a response.

    :raises osc_lib.exceptions.CommandError: it is not complete
    """
    # It may be shorter: requests does not check it.
    left = int(answer.headers.get('Content-Length', 0))
    try:
        for part in answer.iter_content(_BYTES):
            left -= len(part)
            yield part
    except requests.RequestException:
        left = 1
    if left > 0:
        raise exceptions.CommandError('The connection was lost.')


def _save(answer: requests.Response, file: Path) -> None:
    """Save the body of a response in a new file, or leave none.

    :raises OSError: the file exists, or cannot be written
    :raises osc_lib.exceptions.CommandError: the body is not complete
    """
    # Not readable by all: it has what was on a console.
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    with contextlib.ExitStack() as undo:
        with os.fdopen(os.open(file, flags, 0o600), 'wb') as target:
            undo.callback(file.unlink)
            for part in _parts(answer):
                target.write(part)
        undo.pop_all()
