# SPDX-License-Identifier: Apache-2.0

"""Native VNC clients, the gateway, and the screens they see.

TigerVNC's viewer, a library's client, and one of a few lines; QEMU under
libvirt, and a VNC server that is no hypervisor.
"""

import asyncio
import functools
import pathlib
import time
from concurrent import futures
from typing import Any, ClassVar

import asyncvnc
import fixtures as fixtures_
from playwright.sync_api import sync_playwright

from console_svc.compute.libvirt.vnc import Connection
from console_svc.protocols import rfb
from console_svc.tests import fixtures
from console_svc.tests.integration import consoles, libvirtd, process
from console_svc.tests.integration.gateway import (
    Gateway,
    GatewayTest,
    by_target,
    desktop,
)
from console_svc.tests.integration.libvirtd import Libvirtd
from console_svc.tests.integration.screen import Display

# What tools/guest.s makes of keys.
COLOURS = {'1': (0, 0, 168), '2': (0, 168, 0), '4': (168, 0, 0)}

# What becomes of a console that noVNC opens with some credentials.
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
            lambda: 'Using pixel format' in viewer.said, 'the viewer'
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


class StaticTest(GatewayTest):
    """A VNC server that is no hypervisor."""

    def setUp(self) -> None:
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
        self.port = process.free_port()
        server = self.useFixture(
            process.Program(
                [
                    *(
                        'Xtigervnc',
                        f':{self.port}',
                        '-rfbport',
                        str(self.port),
                    ),
                    *('-SecurityTypes', 'None', '-localhost'),
                    *('-geometry', '640x480', '-nolisten', 'tcp'),
                ],
                folder / 'xtigervnc.log',
            )
        )
        server.wait_for(lambda: process.listens(self.port), 'Xtigervnc')

    def start(self, **options: Any) -> None:
        self.gateway = self.useFixture(Gateway(self.port, **options))
        self.console = self.gateway.open()

    def in_(self, *types: int) -> None:
        _, line = self.log_in(
            self.console['port'], self.console['password'], *types
        )
        self.assertEqual((640, 480), desktop(line))

    def refused(self, reason: str) -> None:
        self.check_refused(
            reason, self.console['port'], self.console['password']
        )

    def counted(self, outcomes: dict[str, float]) -> None:
        """The client may hear of its outcome first."""
        process.wait_for(
            lambda: self.gateway.outcomes() == outcomes,
            f'{outcomes} in the metrics',
        )

    def test_in_and_out(self) -> None:
        self.start()
        self.in_()
        self.in_(rfb.VENCRYPT)
        self.assertEqual({'accepted': 2}, self.gateway.outcomes())
        self.gateway.close(self.console)
        self.refused('Authentication failed.')

    def test_without_a_certificate(self) -> None:
        self.start(tls=False)
        self.in_()
        self.check_refused(
            'it offers security types [2] alone',
            self.console['port'],
            self.console['password'],
            rfb.VENCRYPT,
        )

    def test_only_with_tls(self) -> None:
        self.start(rfb_options={'require_tls': True})
        self.in_(rfb.VENCRYPT)
        self.refused('it offers security types [19] alone')

    def test_a_console_for_a_single_use(self) -> None:
        self.start(consoles={'native_max_uses': 1})
        self.in_()
        self.refused('Console is used up.')

    def test_a_console_for_a_time(self) -> None:
        self.start(consoles={'native_ttl': 3})
        self.in_()
        time.sleep(3)
        self.refused('Authentication failed.')

    def test_a_console_of_somebody_elsewhere(self) -> None:
        self.start(
            consoles={'bind_to_client_address': True},
            oslo_middleware={'enable_proxy_headers_parsing': True},
        )
        self.in_()
        self.gateway.close(self.console)
        self.gateway.service.request(
            'POST',
            f'/v2.1/servers/{fixtures.SERVER}/consoles',
            fixtures.MEMBER,
            headers={'X-Forwarded-For': '192.0.2.1'},
        )
        self.console = self.gateway.open()
        self.refused('Authentication failed.')

    def test_who_guesses_waits_and_is_locked_out(self) -> None:
        self.start(rfb_options={'max_failures': 3, 'lock_time': 4})
        waited = []
        for _ in range(2):
            began = time.monotonic()
            self.check_refused(
                'Authentication failed.', self.console['port'], 'guess'
            )
            waited.append(time.monotonic() - began)
        self.assertLess(waited[0] + 0.5, waited[1])
        locked = 'Too many wrong passwords. Try again later.'
        began = time.monotonic()
        with futures.ThreadPoolExecutor(1) as pool:
            guess = pool.submit(
                self.check_refused, locked, self.console['port'], 'guess'
            )
            time.sleep(1)
            self.refused(locked)
            guess.result()
        # Who guesses on gains nothing by it.
        self.assertLess(3, time.monotonic() - began)
        self.assertEqual({'failed': 2, 'locked': 2}, self.gateway.outcomes())
        log = self.gateway.service.log.read_text()
        self.assertIn('console_gateway.authenticate', log)
        self.in_()

    def test_no_vnc_server_behind_it(self) -> None:
        self.port = process.free_port()
        self.start()
        self.refused('The hypervisor does not answer.')
        self.counted({'refused': 1})

    def test_a_server_that_has_stopped(self) -> None:
        self.start()
        self.gateway.service.write_inventory({'servers': []})
        self.refused('The console is not available.')
        self.counted({'refused': 1})
        self.assertIn(
            'A native client cannot log in: Console for instance '
            f'{fixtures.SERVER} could not',
            self.gateway.proxy.log.read_text(),
        )

    def test_what_is_offered_first(self) -> None:
        """Of all clients noVNC alone knows xvp, and takes the first."""
        self.start()
        for port, types in (
            (self.console['port'], [rfb.VENCRYPT, rfb.VNC]),
            (self.gateway.shared_port, [rfb.XVP, rfb.VENCRYPT]),
        ):
            with self.connect(port) as stream:
                stream.sendall(b'RFB 003.008\n')
                said = consoles.heard(stream, bytes([len(types), *types]))
                self.assertTrue(said.endswith(bytes([len(types), *types])))

    def test_the_service_is_away(self) -> None:
        self.start()
        stream, line = self.log_in(
            self.console['port'], self.console['password']
        )
        self.gateway.service.process.stop()
        self.refused('The console service is unavailable. Try again later.')
        # Who is in, stays.
        self.assertEqual((640, 480), desktop(line))
        stream.close()

    def test_a_port_that_is_nobodys(self) -> None:
        self.start()
        self.check_refused(
            'Authentication failed.',
            next(
                port
                for port in range(
                    self.gateway.shared_port + 1, self.gateway.shared_port + 9
                )
                if port != self.console['port']
            ),
            self.console['password'],
        )
