# SPDX-License-Identifier: Apache-2.0

"""Real RDP servers, with a terminal whose colour keys change."""

import pathlib
import shutil

import fixtures

from console_svc.tests.integration.screen import Display
from console_svc.tests.programs import process

#: Keys, and the colours that they give to the screen.
COLOURS = {'1': [205, 0, 0], '2': [0, 205, 0], '4': [0, 0, 238]}

# Reads keys, and fills the terminal with ANSI's colour of this number.
_PAINT = r"while read -rsn1 key; do printf '\033[4%sm\033[2J' $key; done"


class Terminal(fixtures.Fixture):
    """xterm, which covers a display.

    :param display: an X server's name
    """

    def __init__(self, display: str) -> None:
        self._display = display

    def _setUp(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        # No window manager: keys go to the window below the pointer.
        self.useFixture(
            process.Program(
                [
                    *('xterm', '-geometry', '200x100+0+0', '-b', '0'),
                    *('-e', 'bash', '-c', _PAINT),
                ],
                folder / 'xterm.log',
                {'DISPLAY': self._display, 'HOME': str(folder)},
            )
        )


class Shadow(fixtures.Fixture):
    """FreeRDP's server, which shares the screen of an X server.

    :param certificates: folder with server-cert.pem and server-key.pem
    :param arguments: more arguments
    """

    def __init__(self, certificates: pathlib.Path, *arguments: str) -> None:
        self._certificates = certificates
        self._arguments = arguments

    def _setUp(self) -> None:
        display = self.useFixture(Display())
        self.useFixture(Terminal(display.name))
        home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        folder = home / '.config/freerdp/shadow'
        folder.mkdir(parents=True)
        for source, target in (('cert', 'crt'), ('key', 'key')):
            shutil.copy(
                self._certificates / f'server-{source}.pem',
                folder / f'shadow.{target}',
            )
        self.port = process.free_port()
        server = self.useFixture(
            process.Program(
                [
                    'freerdp-shadow-cli',
                    *(f'/port:{self.port}', '/bind-address:127.0.0.1'),
                    *self._arguments,
                ],
                home / 'shadow.log',
                {**display.environment, 'HOME': str(home)},
            )
        )
        server.wait_for(
            lambda: process.listens(self.port), 'freerdp-shadow-cli'
        )
