# SPDX-License-Identifier: Apache-2.0

"""A desktop without a screen, and TigerVNC's viewer on it."""

import os
import pathlib
import re
import struct
import subprocess
import zlib
from collections.abc import Mapping

import fixtures

from console_svc.tests.programs import process

SCREENSHOTS = pathlib.Path(__file__).parents[3] / '.test/screenshots'


class Display(fixtures.Fixture):
    """An X server whose pixels can be read."""

    def _setUp(self) -> None:
        self._folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        # The number of a free port is unique.
        self.name = f':{process.free_port()}'
        self._server = self.useFixture(
            process.Program(
                [
                    *('Xvfb', self.name, '-screen', '0', '800x600x24'),
                    *('-nolisten', 'tcp', '-fbdir', str(self._folder)),
                    # It would refuse clients for a moment, each time that the
                    # last one has ended.
                    '-noreset',
                ],
                self._folder / 'xvfb.log',
            )
        )
        self._server.wait_for(self._is_ready, 'Xvfb')

    def view(self, password: str, *arguments: str) -> 'Viewer':
        """TigerVNC's viewer, with a password."""
        return Viewer(self, password, arguments)

    def pixel(self, x: int, y: int) -> tuple[int, int, int]:
        """Red, green and blue."""
        data, start, width, _ = self._picture()
        at = start + 4 * (y * width + x)
        return data[at + 2], data[at + 1], data[at]

    def part(self, x: int, y: int, width: int, height: int) -> list[bytes]:
        """The pixels of a part: blue, green and red of each."""
        data, start, row, _ = self._picture()
        first = start + 4 * (y * row + x)
        return [
            data[at : at + 3]
            for line in range(first, first + 4 * row * height, 4 * row)
            for at in range(line, line + 4 * width, 4)
        ]

    def of_window(self, width: int, height: int) -> bytes:
        """The upper left of the viewer's window: each pixel as RGBA."""
        left, top = self._position('TigerVNC')
        data, start, whole, _ = self._picture()
        found = bytearray()
        for row in range(top, top + height):
            at = start + 4 * (row * whole + left)
            line = bytearray(data[at : at + 4 * width])
            line[0::4], line[2::4] = line[2::4], line[0::4]
            line[3::4] = b'\xff' * width
            found += line
        return bytes(found)

    def lit(self) -> int:
        """How many pixels are not black."""
        data, start, _, _ = self._picture()
        return sum(
            data[at : at + 3] != b'\0\0\0'
            for at in range(start, len(data) - 3, 4)
        )

    def press(self, key: str, window: str = 'TigerVNC') -> None:
        """Press a key in a window; no window manager gives it the focus.

        :param window: a part of its title
        """
        self._do('search', '--name', window, 'windowfocus')
        self._do('key', key)

    def has_window(self, title: str) -> bool:
        """Whether there is a window with this in its title."""
        return self._do('search', '--name', title, check=False) == 0

    def keep(self, name: str) -> None:
        """Keep a screenshot as an artefact of the tests."""
        data, start, width, height = self._picture()
        rows = b''.join(
            b'\0'
            + bytes(
                channel
                for at in range(row, row + 4 * width, 4)
                for channel in (data[at + 2], data[at + 1], data[at])
            )
            for row in range(start, start + 4 * width * height, 4 * width)
        )
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        (SCREENSHOTS / f'{name}.png').write_bytes(
            b'\x89PNG\r\n\x1a\n'
            + _chunk(
                b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
            )
            + _chunk(b'IDAT', zlib.compress(rows))
            + _chunk(b'IEND', b'')
        )

    @property
    def environment(self) -> Mapping[str, str]:
        """For programs that open windows here."""
        return {'DISPLAY': self.name, 'HOME': str(self._folder)}

    def _is_ready(self) -> bool:
        return self._do('getdisplaygeometry', check=False) == 0

    def _position(self, window: str) -> tuple[int, int]:
        """Where the upper left corner of a window is.

        :param window: a part of its title
        """
        found = self._run('search', '--name', window, 'getwindowgeometry')
        x, y = re.findall(r'Position: (\d+),(\d+)', found.stdout)[-1]
        return int(x), int(y)

    def _do(self, *words: str, check: bool = True) -> int:
        return self._run(*words, check=check).returncode

    def _run(
        self, *words: str, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [process.program('xdotool'), *words],
            env={**os.environ, **self.environment},
            check=check,
            capture_output=True,
            text=True,
        )

    def _picture(self) -> tuple[bytes, int, int, int]:
        """Data, where its pixels begin, width and height.

        The file is X's window dump (XWDFile.h): 25 numbers, among them the
        header's size, width, height and the number of colours.
        """
        data = (self._folder / 'Xvfb_screen0').read_bytes()
        header = struct.unpack('>25I', data[:100])
        return data, header[0] + 12 * header[19], header[4], header[5]


class Viewer(fixtures.Fixture):
    """TigerVNC's, as a user starts it."""

    def __init__(
        self, display: Display, password: str, arguments: tuple[str, ...]
    ) -> None:
        self._display = display
        self._password = password
        self._arguments = arguments

    def _setUp(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        user_name = ''
        self._log = folder / 'viewer.log'
        arguments = list(self._arguments)
        if '@' in arguments[0]:
            user_name, _, arguments[0] = arguments[0].partition('@')
        self._viewer = self.useFixture(
            process.Program(
                [
                    'xtigervncviewer',
                    *arguments,
                    *('-ReconnectOnError=0', '-AlertOnFatalError=0'),
                ],
                self._log,
                {
                    **self._display.environment,
                    'VNC_USERNAME': user_name,
                    'VNC_PASSWORD': self._password,
                },
            )
        )

    def wait(self) -> str:
        """Wait until the viewer ends; its output."""
        self._viewer.wait()
        return self.output

    @property
    def output(self) -> str:
        """The output of the viewer."""
        return self._log.read_text()


def _chunk(kind: bytes, data: bytes) -> bytes:
    """A part of a PNG (RFC 2083, section 3.2)."""
    return (
        struct.pack('>I', len(data))
        + kind
        + data
        + struct.pack('>I', zlib.crc32(kind + data))
    )
