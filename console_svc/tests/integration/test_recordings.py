# SPDX-License-Identifier: Apache-2.0

"""A recording of a shell on a serial console, with asciinema's player."""

import os
import pathlib
import socket
import subprocess
import sys

from console_svc.tests.functional.proxy.recording import RecordedTest
from console_svc.tests.programs import process

BIN = pathlib.Path(sys.executable).parent


def shell(connection: socket.socket) -> None:
    """Serve a shell."""
    with connection:
        subprocess.run(
            ['/bin/sh'], stdin=connection, stdout=connection, check=False
        )


class AsciinemaTest(RecordedTest):
    def manage(self, *arguments: object) -> str:
        """The output of console-svc-manage recording."""
        return subprocess.run(
            [
                BIN / 'console-svc-manage',
                *('--config-file', self.configuration.file, 'recording'),
                *map(str, arguments),
            ],
            check=True,
            capture_output=True,
            text=True,
            timeout=process.PATIENCE,
        ).stdout

    def test_asciinema_plays_a_recording(self) -> None:
        self.console(shell)
        self.record()
        connection = self.connect()
        shown = b''
        # A character in two parts, and a bold one.
        for command, end in (
            (r'printf "h\303"', b'\303'),
            (r'printf "\251\033[1m!\n"', b'\n'),
        ):
            connection.send(f'{command}\n'.encode())
            while not shown.endswith(end):
                shown += connection.recv(process.PATIENCE)
        connection.send(b'exit\n')
        self.closed(connection)
        self.stored()
        (recording_id, *_) = self.manage('list').split()
        self.assertIn('complete', self.manage('check', recording_id))
        folder = self.configuration.folder
        (folder / 'x.cast').write_text(self.manage('export', recording_id))
        for command in ('cat',), ('play', '--speed', '10'):
            played = subprocess.run(
                [BIN / 'asciinema', *command, folder / 'x.cast'],
                check=True,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                env={**os.environ, 'ASCIINEMA_CONFIG_HOME': str(folder)},
                timeout=process.PATIENCE,
            ).stdout
            self.assertEqual('hé\033[1m!\n'.encode(), played)
            self.assertEqual(shown, played)
