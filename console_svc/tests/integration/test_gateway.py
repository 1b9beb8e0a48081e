# SPDX-License-Identifier: Apache-2.0

"""Native VNC clients, the gateway, and the screens they see.

TigerVNC's viewer, a library's client, and one of a few lines; QEMU under
libvirt. The functional tests have more, with a VNC server's stub.
"""

import asyncio
import functools
import pathlib
import time
from typing import Any, ClassVar

import asyncvnc
import fixtures as fixtures_
from playwright.sync_api import sync_playwright

from console_svc.compute.libvirt.vnc import Connection
from console_svc.protocols import rfb
from console_svc.tests import fixtures
from console_svc.tests.integration import libvirtd
from console_svc.tests.integration.libvirtd import Libvirtd
from console_svc.tests.integration.screen import Display
from console_svc.tests.integration.service import Service
from console_svc.tests.programs import process
from console_svc.tests.programs.gateway import (
    Gateway,
    GatewayTest,
    by_target,
    desktop,
)

# Key -> the colour that tools/guest.s shows for it.
COLOURS = {'1': (0, 0, 168), '2': (0, 168, 0), '4': (168, 0, 0)}

# Opens a console with noVNC and returns how that ends.
_PAGE = """<!DOCTYPE html><title>noVNC</title><script type="module">
import RFB from "./core/rfb.js";
window.open_console = credentials => new Promise(resolve => {
    const url = `ws://${location.host}/`;
    const rfb = new RFB(document.body, url, {credentials});
    rfb.addEventListener("connect", () => resolve("connect"));
    rfb.addEventListener("securityfailure", it => resolve(it.detail.reason));
    rfb.addEventListener("disconnect", () => resolve("disconnect"));
});
</script>"""


class GuestTest(GatewayTest):
    """A guest of libvirt's."""

    gateway: ClassVar[Gateway]
    display: ClassVar[Display]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        libvirtd.quiet()
        cls.libvirtd = Libvirtd()
        cls.libvirtd.setUp()
        cls.addClassCleanup(cls.libvirtd.cleanUp)
        cls.libvirtd.domain(
            fixtures.SERVER,
            'instance-00000001',
            'demo',
            password='',
            guest=True,
        )
        cls.gateway = Gateway(
            compute={'driver': 'libvirt'},
            libvirt={
                'hosts': f'compute-1={cls.libvirtd.uri}',
                'timeout': 20,
            },
            proxy={'workers': 2},
            kind=Service,
        )
        cls.gateway.setUp()
        cls.addClassCleanup(cls.gateway.cleanUp)
        cls.addClassCleanup(cls.read_logs)

    @classmethod
    def read_logs(cls) -> None:
        for log in (cls.gateway.service.log, cls.gateway.proxy.log):
            text = log.read_text()
            for secret in (*cls.gateway.service.secrets, 'Traceback'):
                assert secret not in text, f'{secret} is in {log.name}'

    def setUp(self) -> None:
        super().setUp()
        self.console = self.gateway.open()
        self.addCleanup(self.forget)

    def forget(self) -> None:
        self.gateway.service.request(
            'DELETE',
            f'/v2.1/servers/{fixtures.SERVER}/consoles/{self.console["id"]}',
            fixtures.MEMBER,
        )
        process.wait_for(
            lambda: not self.gateway.sessions(), 'the sessions to be gone'
        )

    def tiger(self, where: str, *arguments: str) -> None:
        """TigerVNC's viewer shows the guest's screen, and takes keys."""
        display = self.useFixture(Display())
        viewer = self.useFixture(
            display.view(self.console['password'], where, *arguments)
        )
        kind = arguments[0].partition('=')[2]
        process.wait_for(
            lambda: 'Using pixel format' in viewer.output, 'the viewer'
        )
        # The window opens, and what the guest says stands in it.
        process.wait_for(lambda: display.lit() > 200, 'the screen')
        display.keep(f'tigervnc-{kind.lower()}-ready')
        for key in ('4', '2', '1'):
            self.assertNotEqual(COLOURS[key], display.pixel(600, 200))
            process.wait_for(
                functools.partial(self.painted, display, key), f'key {key}'
            )
        display.keep(f'tigervnc-{kind.lower()}-typed')
        (session,) = self.gateway.sessions()
        self.assertEqual('vnc', session['console_type'])
        self.assertEqual('127.0.0.1', session['client_address'])
        self.gateway.close(self.console)
        began = time.monotonic()
        viewer.wait()
        self.assertLess(time.monotonic() - began, 10)

    def painted(self, display: Display, key: str) -> bool:
        if display.pixel(600, 200) == COLOURS[key]:
            return True
        # The window may show the screen before it takes keys.
        display.press(key)
        time.sleep(0.2)
        return False

    def test_tigervnc_by_vnc_authentication(self) -> None:
        self.tiger(
            f'127.0.0.1::{self.console["port"]}', '-SecurityTypes=VncAuth'
        )

    def test_tigervnc_by_vnc_authentication_inside_tls(self) -> None:
        self.tiger(
            f'127.0.0.1::{self.console["port"]}',
            '-SecurityTypes=X509Vnc',
            f'-X509CA={self.gateway.authority}',
        )

    def test_tigervnc_by_user_name_on_the_port_for_all(self) -> None:
        self.tiger(
            f'{fixtures.SERVER}@127.0.0.1::{self.gateway.shared_port}',
            '-SecurityTypes=X509Plain',
            f'-X509CA={self.gateway.authority}',
        )

    def test_tigervnc_with_a_wrong_password(self) -> None:
        display = self.useFixture(Display())
        for arguments in (
            (f'127.0.0.1::{self.console["port"]}', '-SecurityTypes=VncAuth'),
            (
                f'instance-00000001@127.0.0.1::{self.gateway.shared_port}',
                '-SecurityTypes=X509Plain',
                f'-X509CA={self.gateway.authority}',
            ),
        ):
            viewer = self.useFixture(display.view('wrong', *arguments))
            self.assertIn('Authentication failed', viewer.wait())
        self.assertEqual([], self.gateway.sessions())

    def test_a_client_of_a_library(self) -> None:
        asyncio.run(self.by_library())

    async def by_library(self) -> None:
        def connected(password: str) -> Any:
            return asyncvnc.connect(
                '127.0.0.1', self.console['port'], password=password
            )

        async with connected(self.console['password']) as client:
            for key in ('4', '2'):
                client.keyboard.press(key)
                await client.drain()
                deadline = time.monotonic() + process.PATIENCE
                while True:
                    picture = await client.screenshot()
                    self.assertEqual((400, 720), picture.shape[:2])
                    if tuple(picture[200, 600][:3]) == COLOURS[key]:
                        break
                    self.assertLess(time.monotonic(), deadline, key)
            # Deleting ends it within seconds.
            self.gateway.close(self.console)
            async with asyncio.timeout(10):
                while await client.reader.read(65536):
                    pass
        with self.assertRaisesRegex(PermissionError, '.*'):
            async with connected(self.console['password']):
                pass

    def test_both_names_on_the_port_for_all(self) -> None:
        for name in (fixtures.SERVER, 'instance-00000001'):
            _, line = self.by_target(name, self.console['password'])
            self.assertEqual((720, 400), desktop(line))
        for name, password in (
            ('instance-00000009', self.console['password']),
            ('', self.console['password']),
            ('\0', self.console['password']),
            (fixtures.SERVER, 'wrong'),
        ):
            error = self.assertRaises(
                rfb.RFBError, self.by_target, name, password
            )
            self.assertEqual('Authentication failed.', str(error))

    def by_target(self, name: str, password: str) -> Any:
        """Log in by the security type xvp."""
        stream = self.connect(self.gateway.shared_port)
        line = Connection(stream, password)
        line.perform(by_target(name))
        return stream, line

    def test_novnc_by_target(self) -> None:
        """As noVNC speaks it, behind a websocket that is not ours."""
        folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
        for name in ('core', 'vendor'):
            (folder / name).symlink_to(f'/usr/share/novnc/{name}')
        (folder / 'page.html').write_text(_PAGE)
        port = process.free_port()
        websockify = self.useFixture(
            process.Program(
                [
                    *('websockify', '--web', str(folder)),
                    f'127.0.0.1:{port}',
                    f'127.0.0.1:{self.gateway.shared_port}',
                ],
                folder / 'websockify.log',
            )
        )
        websockify.wait_for(lambda: process.listens(port), 'websockify')
        with sync_playwright() as playwright:
            page = playwright.chromium.launch(
                executable_path=process.program('chromium')
            ).new_page()
            page.set_default_timeout(process.PATIENCE * 1000)
            for password, said in (
                (self.console['password'], 'connect'),
                ('wrong', 'Authentication failed.'),
            ):
                page.goto(f'http://127.0.0.1:{port}/page.html')
                self.assertEqual(
                    said,
                    page.evaluate(
                        'wanted => open_console(wanted)',
                        {
                            'username': 'joe',
                            'target': 'instance-00000001',
                            'password': password,
                        },
                    ),
                )

    def test_a_session_can_be_ended(self) -> None:
        stream, line = self.log_in(
            self.console['port'], self.console['password']
        )
        self.assertEqual((720, 400), desktop(line))
        (session,) = self.gateway.sessions()
        answer = self.gateway.service.request(
            'DELETE',
            f'/v2.1/servers/{fixtures.SERVER}/console-sessions/'
            f'{session["id"]}',
            fixtures.MEMBER,
        )
        self.assertEqual(204, answer.status_code)
        stream.settimeout(10)
        while stream.recv(65536):
            pass
        # The console stays.
        self.log_in(self.console['port'], self.console['password'])
