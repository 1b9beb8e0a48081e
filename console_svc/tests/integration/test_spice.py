# SPDX-License-Identifier: Apache-2.0

"""Native SPICE clients on QEMU: spicy-screenshot and remote-viewer."""

import functools
import pathlib
import time
from typing import ClassVar

import fixtures as fixtures_
import requests

from console_svc.tests import fixtures
from console_svc.tests.functional.proxy.base import SERVER
from console_svc.tests.functional.proxy.spice import BASE_URL, SpiceTest
from console_svc.tests.integration.qemu import (
    Qemu,
    RemoteViewer,
    Screenshot,
)
from console_svc.tests.integration.screen import Display
from console_svc.tests.programs import certificates, process

PASSWORD = 'a-spice-password'

# Key -> the colour that tools/guest.s shows for it.
COLOURS = {'1': (0, 0, 168), '2': (0, 168, 0), '4': (168, 0, 0)}


class SpiceClientsTest(SpiceTest):
    """Without TLS to the hypervisor."""

    #: Folder with the certificate of QEMU; None: it has no TLS.
    pki: ClassVar[pathlib.Path | None] = None
    PROXY = {'workers': 2}

    @classmethod
    def start_proxy(cls) -> None:
        cls.SPICE = {
            'hypervisor_password': PASSWORD,
            'direct_public_host': '127.0.0.1',
            **cls.SPICE,
        }
        super().start_proxy()

    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
        self.qemu = self.useFixture(Qemu(PASSWORD, self.pki))
        self.place_with_tls(self.qemu.port, self.qemu.tls_port)

    def shoot(self, token: str, tls: bool) -> Screenshot:
        """A screenshot through the proxy."""
        if tls:
            return Screenshot(
                self.folder, token, ('-s', str(self.tls_port)), self.authority
            )
        return Screenshot(self.folder, token, ('-p', str(self.port)))

    def test_screenshot_shows_the_guest(self) -> None:
        for tls in False, True:
            process.wait_for(
                functools.partial(self.is_ready, tls), 'the guest'
            )

    def is_ready(self, tls: bool) -> bool:
        picture = self.shoot(self.spice_token(), tls)
        self.assertTrue(picture.taken, picture.output)
        # Text, on the screen of 80 columns and 25 rows.
        return picture.size == (720, 400) and picture.lit() > 200

    def test_wrong_token_is_an_authentication_failure(self) -> None:
        for tls in False, True:
            picture = self.shoot('x' * 43, tls)
            self.assertFalse(picture.taken)
            # SPICE_CHANNEL_ERROR_AUTH of spice-gtk.
            self.assertIn('main channel event: 23', picture.output)

    def test_remote_viewer(self) -> None:
        """It shows the guest's screen, takes keys, and ends with the token."""
        token = self.spice_token()
        display, viewer = self.view(token)
        for key in ('4', '2', '1'):
            process.wait_for(
                functools.partial(self.painted, display, key), f'key {key}'
            )
        display.keep(f'remote-viewer-{"tls" if self.pki else "plain"}')
        self.assertFalse((self.folder / 'console.vv').exists())
        (session,) = self.sessions()
        self.assertEqual('spice-direct', session['console_type'])
        self.service.request(
            'DELETE', f'{SERVER}/console-auth-tokens', fixtures.MEMBER
        )
        for channel in 'main', 'display', 'inputs', 'cursor', 'usbredir':
            self.wait_for_log(f'{channel} channel closed: ')
        self.wait_for_no_session()
        self.assertNotIn(token, viewer.output)

    def test_viewer_gets_control_without_another_connection(self) -> None:
        # Other tests have the same proxy.
        logged = len(self.proxy.log.read_text())
        display, viewer = self.view(self.token_to_view())
        (session,) = self.sessions()
        for key in ('4', '2'):
            # That these are dropped is seen with a stub.
            display.press('1', 'Console at')
            self.set_mode('control')
            process.wait_for(
                functools.partial(self.painted, display, key), f'key {key}'
            )
            self.set_mode('view')
        self.assertEqual([session['id']], [it['id'] for it in self.sessions()])
        self.assertNotIn('inputs channel', self.proxy.log.read_text()[logged:])
        self.assertIn('usbredir', viewer.output)

    def view(self, token: str) -> tuple[Display, RemoteViewer]:
        """Open a console in the viewer."""
        file = self.folder / 'console.vv'
        file.write_text(
            requests.get(
                f'http://127.0.0.1:{self.proxy.port}{BASE_URL}?token={token}',
                timeout=process.PATIENCE,
            ).text
        )
        display = self.useFixture(Display())
        viewer = self.useFixture(RemoteViewer(display, file))
        process.wait_for(
            lambda: display.has_window('Console at'), 'the viewer'
        )
        return display, viewer

    def painted(self, display: Display, key: str) -> bool:
        if display.pixel(600, 200) == COLOURS[key]:
            return True
        # The window may show the screen before it takes keys.
        display.press(key, 'Console at')
        time.sleep(0.2)
        return False


class SpiceOverTLSTest(SpiceClientsTest):
    """With TLS to the hypervisor."""

    SPICE = {'require_secure': True}

    @classmethod
    def start_proxy(cls) -> None:
        # All tests have the same hypervisor CA, but a QEMU of their own.
        cls.pki = cls.new_folder()
        certificates.write(cls.pki)
        cls.SPICE = {**cls.SPICE, 'ca_certs': cls.pki / 'ca-cert.pem'}
        super().start_proxy()
