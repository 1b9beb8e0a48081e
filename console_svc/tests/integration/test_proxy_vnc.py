# SPDX-License-Identifier: Apache-2.0

"""The console proxy in front of QEMU: RFB, with and without TLS."""

import pathlib
import shutil
from typing import Any, ClassVar

import testtools
from websockets.exceptions import ConnectionClosed

from console_svc.protocols import rfb
from console_svc.tests import fixtures
from console_svc.tests.integration import libvirtd
from console_svc.tests.integration.libvirtd import Libvirtd
from console_svc.tests.integration.service import Service
from console_svc.tests.programs import certificates, process
from console_svc.tests.programs.browser import Browser
from console_svc.tests.programs.proxy import Proxy

PASSWORD = fixtures.BARE


class VncTest(testtools.TestCase):
    """On a libvirtd, whose domains the driver libvirt finds."""

    TLS: ClassVar[dict[str, Any]] = {}
    libvirtd: ClassVar[Libvirtd]
    service: ClassVar[Service]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        libvirtd.quiet()
        cls.libvirtd = Libvirtd(**cls.TLS)
        cls.libvirtd.setUp()
        cls.addClassCleanup(cls.libvirtd.cleanUp)
        cls.libvirtd.domain(
            fixtures.SERVER, 'instance-00000001', 'demo', password=''
        )
        cls.libvirtd.domain(PASSWORD, 'instance-00000002', 'demo')
        cls.service = Service(
            compute={'driver': 'libvirt'},
            libvirt={
                'hosts': f'compute-1={cls.libvirtd.uri}',
                'timeout': 20,
            },
        )
        cls.service.setUp()
        cls.addClassCleanup(cls.service.cleanUp)

    def start(self, **vnc: Any) -> None:
        self.proxy = self.useFixture(Proxy(self.service, vnc=vnc))

    def password(self) -> str:
        """Of the domain that has one."""
        path = f'/v2.1/servers/{PASSWORD}/consoles'
        self.service.request('POST', path, fixtures.MEMBER)
        console = self.service.request('GET', path, fixtures.MEMBER).json()[
            'consoles'
        ][0]['console']
        found: str = self.service.request(
            'GET', f'{path}/{console["id"]}', fixtures.MEMBER
        ).json()['console']['password']
        return found

    def browser(
        self, password: str = '', server: str = fixtures.SERVER
    ) -> Browser:
        answer = self.service.request(
            'POST',
            f'/v2.1/servers/{server}/remote-consoles',
            fixtures.MEMBER,
            '2.6',
            json={'remote_console': {'protocol': 'vnc', 'type': 'novnc'}},
        )
        token = answer.json()['remote_console']['url'].rpartition('%3D')[2]
        browser = Browser(f'{self.proxy.url}?token={token}', password)
        self.addCleanup(browser.connection.close)
        return browser

    def check_open(
        self, browser: Browser, accepted: tuple[int, ...] = (rfb.NONE,)
    ) -> None:
        """See that it gets to the guest's screen."""
        browser.perform(rfb.log_in(accepted))
        self.assertEqual((720, 400), browser.desktop())

    def check_refused(self, browser: Browser, reason: str) -> None:
        """See that the page, and the websocket, say why not."""
        error = self.assertRaises(
            rfb.RFBError, browser.perform, rfb.log_in((rfb.NONE, rfb.VNC))
        )
        self.assertIn(reason, str(error))
        closed = self.assertRaises(
            ConnectionClosed, browser.connection.recv, process.PATIENCE
        )
        assert closed.rcvd is not None
        self.assertEqual(1014, closed.rcvd.code)
        self.assertIn(reason, closed.rcvd.reason)


class PlainTest(VncTest):
    def test_without_authentication(self) -> None:
        self.start()
        self.check_open(self.browser())

    def test_the_user_is_asked_for_a_password(self) -> None:
        self.start()
        password = self.password()
        self.check_open(self.browser(password, PASSWORD), (rfb.VNC,))
        self.check_refused(self.browser('wrong', PASSWORD), 'refuses')

    def test_or_the_proxy_knows_it(self) -> None:
        self.start(hypervisor_password=self.password())
        self.check_open(self.browser(server=PASSWORD))

    def test_or_knows_a_wrong_one(self) -> None:
        self.password()
        self.start(hypervisor_password='wrong')
        self.check_refused(
            self.browser(server=PASSWORD), 'The hypervisor refuses'
        )

    def test_nothing_less_than_is_wanted(self) -> None:
        folder = pathlib.Path(
            self.useFixture(fixtures.fixtures.TempDir()).path
        )
        certificates.write(folder)
        self.start(
            auth_schemes='vencrypt',
            vencrypt_ca_certs=folder / 'ca-cert.pem',
        )
        self.check_refused(self.browser(), 'offers security types')


class TlsTest(VncTest):
    """VeNCrypt; QEMU wants a certificate of the proxy's, too."""

    TLS: ClassVar[dict[str, Any]] = {'tls': True, 'verify': True}

    def setUp(self) -> None:
        super().setUp()
        folder = pathlib.Path(
            self.useFixture(fixtures.fixtures.TempDir()).path
        )
        for file in self.libvirtd.pki.iterdir():
            shutil.copy(file, folder)
        self.options = {
            'auth_schemes': 'vencrypt',
            'vencrypt_ca_certs': folder / 'ca-cert.pem',
            'vencrypt_client_cert': folder / 'server-cert.pem',
            'vencrypt_client_key': folder / 'server-key.pem',
        }
        self.folder = folder

    def test_encrypted(self) -> None:
        self.start(**self.options)
        self.check_open(self.browser())

    def test_encrypted_and_with_a_password(self) -> None:
        self.start(**self.options)
        password = self.password()
        self.check_open(self.browser(password, PASSWORD), (rfb.VNC,))
        self.check_refused(self.browser('wrong', PASSWORD), 'refuses')

    def test_without_a_certificate_of_its_own(self) -> None:
        for name in ('vencrypt_client_cert', 'vencrypt_client_key'):
            del self.options[name]
        self.start(**self.options)
        self.check_refused(self.browser(), 'The hypervisor')

    def test_a_hypervisor_that_nobody_vouches_for(self) -> None:
        certificates.write(self.folder)
        self.start(**self.options)
        self.check_refused(self.browser(), 'is not trusted')

    def test_tls_is_not_wanted(self) -> None:
        self.start()
        self.check_refused(self.browser(), 'offers security types [19]')
