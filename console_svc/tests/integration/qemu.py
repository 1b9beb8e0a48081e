# SPDX-License-Identifier: Apache-2.0

"""QEMU with a VNC or a SPICE server, and native SPICE clients.

libspice-server 0.15.1 crashes QEMU on some disconnects: each test has its own.
"""

import os
import pathlib
import re
import subprocess
from typing import Final

import fixtures

from console_svc.tests.integration.screen import Display
from console_svc.tests.programs import process

_BUILD = pathlib.Path(__file__).parents[3] / 'tools/guest.sh'

#: An image as ``spicy-screenshot`` writes it.
_PPM: Final = re.compile(rb'P6\n(\d+) (\d+)\n255\n', re.ASCII)


class VNCGuest(fixtures.Fixture):
    """A guest (tools/guest.s) without KVM, with a VNC server.

    :param pki: folder with the certificate of its VNC server, which uses TLS
        (VeNCrypt) then; None: without TLS
    """

    def __init__(self, pki: pathlib.Path | None = None) -> None:
        self._pki = pki

    def _setUp(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        image = folder / 'guest.img'
        subprocess.run([_BUILD, image], check=True)
        self.port = process.free_port()
        vnc, more = f'127.0.0.1:{self.port - 5900}', []
        if self._pki is not None:
            vnc += ',tls-creds=tls'
            tls = f'tls-creds-x509,id=tls,dir={self._pki},endpoint=server'
            more = ['-object', f'{tls},verify-peer=off']
        self.process = self.useFixture(
            process.Program(
                [
                    'qemu-system-x86_64',
                    *('-nodefaults', '-display', 'none', '-m', '64'),
                    *(*more, '-vga', 'std', '-vnc', vnc),
                    *('-drive', f'file={image},format=raw'),
                ],
                folder / 'qemu.log',
            )
        )
        self.process.wait_for(lambda: process.listens(self.port), 'QEMU')


class Qemu(fixtures.Fixture):
    """A guest (tools/guest.s) without KVM.

    :param password: of its SPICE server
    :param pki: folder with the certificate for its port with TLS; None: it
        has no such port
    """

    def __init__(self, password: str, pki: pathlib.Path | None = None) -> None:
        self._password = password
        self._pki = pki
        self.tls_port: int | None = None

    def _setUp(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        image = folder / 'guest.img'
        subprocess.run([_BUILD, image], check=True)
        self.port = process.free_port()
        spice = f'port={self.port},addr=127.0.0.1,password-secret=spice'
        if self._pki is not None:
            self.tls_port = process.free_port()
            spice += f',tls-port={self.tls_port},x509-dir={self._pki}'
        secret = folder / 'secret'
        secret.write_text(self._password)
        self.process = self.useFixture(
            process.Program(
                [
                    'qemu-system-x86_64',
                    *('-nodefaults', '-display', 'none', '-m', '64'),
                    *('-vga', 'qxl', '-spice', spice),
                    *('-object', f'secret,id=spice,file={secret}'),
                    *('-drive', f'file={image},format=raw'),
                    # Of the channels that an operator can close.
                    *('-device', 'qemu-xhci'),
                    *('-chardev', 'spicevmc,id=usb,name=usbredir'),
                    *('-device', 'usb-redir,chardev=usb'),
                ],
                folder / 'qemu.log',
            )
        )
        self.process.wait_for(lambda: process.listens(self.port), 'QEMU')


class RemoteViewer(fixtures.Fixture):
    """``remote-viewer`` with a connection file, as a user opens it.

    :param file: it is deleted by the viewer
    """

    def __init__(self, display: Display, file: pathlib.Path) -> None:
        self._display = display
        self._file = file

    def _setUp(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self._log = folder / 'viewer.log'
        self._viewer = self.useFixture(
            process.Program(
                ['remote-viewer', '--debug', str(self._file)],
                self._log,
                {**self._display.environment, 'NO_AT_BRIDGE': '1'},
            )
        )

    @property
    def output(self) -> str:
        """The output of the viewer."""
        return self._log.read_text()


class Screenshot:
    """What ``spicy-screenshot`` gets.

    :param arguments: address and ports
    :param authority: the CA of the server

    :ivar output: its output
    :ivar taken: whether there is a picture
    """

    def __init__(
        self,
        folder: pathlib.Path,
        password: str,
        arguments: tuple[str, ...],
        authority: pathlib.Path | None = None,
    ) -> None:
        file = folder / 'screen.ppm'
        trusted = {'SSL_CERT_FILE': str(authority)} if authority else {}
        done = subprocess.run(
            [
                process.program('spicy-screenshot'),
                *('-h', '127.0.0.1', *arguments),
                *('-w', password, '-o', str(file)),
            ],
            env={**os.environ, 'HOME': str(folder), **trusted},
            capture_output=True,
            text=True,
            timeout=process.PATIENCE,
        )
        self.output = done.stdout + done.stderr
        self.taken = done.returncode == 0
        self._data = file.read_bytes() if self.taken else b''

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        match = _PPM.match(self._data)
        assert match is not None
        return int(match[1]), int(match[2])

    def lit(self) -> int:
        """How many pixels are not black."""
        match = _PPM.match(self._data)
        assert match is not None
        pixels = self._data[match.end() :]
        return sum(
            pixels[at : at + 3] != b'\0\0\0' for at in range(0, len(pixels), 3)
        )
