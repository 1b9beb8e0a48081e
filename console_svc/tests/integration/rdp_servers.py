# SPDX-License-Identifier: Apache-2.0

"""Real RDP servers, with a terminal whose colour keys change."""

import pathlib
import shutil
import subprocess

import fixtures

from console_svc.tests.integration.screen import Display
from console_svc.tests.programs import process

#: The colour of the terminal at first.
WHITE = [255, 255, 255]

#: Keys, and the colours that they give to the screen; CLICK does the same.
COLOURS = {
    '1': [205, 0, 0],
    '2': [0, 205, 0],
    '4': [0, 0, 238],
    '5': [205, 0, 205],
}

#: What a click counts as.
CLICK = '5'

# Reads keys, fills the terminal with ANSI's colour of this number, and keeps
# it. xterm reports a click as "ESC [ M", the button and two coordinates.
_PAINT = r"""
printf '\033[?9h'
while read -rsn1 key; do
    case $key in
        M) read -rsn3 _; key=5 ;;
        [0-9]) ;;
        *) continue ;;
    esac
    printf $key >> "$HOME/keys"
    printf '\033[4%sm\033[2J' $key
done
"""


# ls_width: IronRDP skews bitmaps whose width is not a multiple of four, as the
# default of the log-in dialog.
_XRDP = """
[Globals]
ini_version=1
fork=true
port=tcp://127.0.0.1:{port}
security_layer=tls
certificate={certificates}/server-cert.pem
key_file={certificates}/server-key.pem
ssl_protocols=TLSv1.2, TLSv1.3
max_bpp=32
ls_width=352
allow_channels=true

[Channels]
cliprdr=true
drdynvc=true

[Logging]
LogFile={folder}/xrdp.log
LogLevel=INFO
EnableSyslog=false

[vnc]
name=vnc
lib=libvnc.so
ip=127.0.0.1
port={vnc_port}
username=na
password=na
"""


class Terminal(fixtures.Fixture):
    """xterm, which covers a display.

    :param display: an X server's name
    """

    def __init__(self, display: str) -> None:
        self._display = display

    def _setUp(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self._keys = folder / 'keys'
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

    @property
    def keys(self) -> str:
        """The digits that were typed so far, and clicks."""
        return self._keys.read_text() if self._keys.exists() else ''


class Shadow(fixtures.Fixture):
    """FreeRDP's server, which shares the screen of an X server.

    :param certificates: folder with server-cert.pem and server-key.pem
    :param account: user name and password of network level authentication;
        None: TLS without authentication
    """

    def __init__(
        self,
        certificates: pathlib.Path,
        account: tuple[str, str] | None = None,
    ) -> None:
        self._certificates = certificates
        self._account = account

    def _setUp(self) -> None:
        display = self.useFixture(Display())
        self.terminal = self.useFixture(Terminal(display.name))
        home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        folder = home / '.config/freerdp/shadow'
        folder.mkdir(parents=True)
        for source, target in (('cert', 'crt'), ('key', 'key')):
            shutil.copy(
                self._certificates / f'server-{source}.pem',
                folder / f'shadow.{target}',
            )
        arguments = ['/sec:tls', '-auth']
        if self._account is not None:
            accounts = home / 'accounts'
            accounts.write_text(_entry(*self._account))
            arguments = ['/sec:nla', '+auth', f'/sam-file:{accounts}']
        self.port = process.free_port()
        server = self.useFixture(
            process.Program(
                [
                    'freerdp-shadow-cli',
                    *(f'/port:{self.port}', '/bind-address:127.0.0.1'),
                    *arguments,
                ],
                home / 'shadow.log',
                {**display.environment, 'HOME': str(home)},
            )
        )
        server.wait_for(
            lambda: process.listens(self.port), 'freerdp-shadow-cli'
        )


class Xrdp(fixtures.Fixture):
    """xrdp, whose sessions are those of a VNC server.

    :param certificates: folder with server-cert.pem and server-key.pem
    """

    def __init__(self, certificates: pathlib.Path) -> None:
        self._certificates = certificates

    def _setUp(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        vnc_port = self._start_vnc(folder)
        self.port = process.free_port()
        file = folder / 'xrdp.ini'
        file.write_text(
            _XRDP.format(
                port=self.port,
                vnc_port=vnc_port,
                certificates=self._certificates,
                folder=folder,
            )
        )
        server = self.useFixture(
            process.Program(
                ['xrdp', '--nodaemon', '--config', str(file)],
                folder / 'output.log',
            )
        )
        server.wait_for(lambda: process.listens(self.port), 'xrdp')

    def _start_vnc(self, folder: pathlib.Path) -> int:
        """Start a VNC server with a terminal; its port."""
        port = process.free_port()
        # The number of a free port is unique.
        display = f':{port}'
        server = self.useFixture(
            process.Program(
                [
                    *('Xtigervnc', display, '-rfbport', str(port)),
                    *('-localhost', '-SecurityTypes', 'None'),
                    *('-geometry', '800x600', '-nolisten', 'tcp'),
                ],
                folder / 'vnc.log',
                {'HOME': str(folder)},
            )
        )
        server.wait_for(lambda: process.listens(port), 'Xtigervnc')
        self.useFixture(Terminal(display))
        return port


def _entry(name: str, password: str) -> str:
    """A line of a file of accounts."""
    return subprocess.run(
        [
            process.program('winpr-hash'),
            *('-u', name, '-p', password, '-f', 'sam'),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
