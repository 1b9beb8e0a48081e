# SPDX-License-Identifier: Apache-2.0

"""The RFB handshakes with browsers and with hypervisors' VNC servers."""

import contextlib
import os
import pathlib
import signal
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Any, ClassVar

from websockets.exceptions import ConnectionClosed

from console_svc.compute.libvirt.vnc import Connection
from console_svc.protocols import rfb
from console_svc.tests.functional.proxy.base import ProxyTest
from console_svc.tests.programs import certificates, consoles, process
from console_svc.tests.programs.browser import Browser


def protected(password: str) -> Callable[[socket.socket], None]:
    """A VNC server with VNC authentication."""

    def serve(connection: socket.socket) -> None:
        line = Connection(connection)
        challenge = os.urandom(rfb.CHALLENGE)
        with contextlib.suppress(rfb.RFBError):
            minor = line.perform(rfb.offer(rfb.VNC))
            answer = line.perform(rfb.ask(challenge))
            if answer == rfb.response(challenge, password):
                line.perform(rfb.welcome(minor, rfb.VNC))
                consoles.screen(connection)
            else:
                line.perform(rfb.reject(minor, 'wrong password'))

    return serve


class RFBTest(ProxyTest):
    #: Options of [vnc].
    VNC: ClassVar[dict[str, Any]] = {}

    @classmethod
    def start_proxy(cls) -> None:
        cls.PROXY = {**cls.PROXY, 'vnc': cls.VNC}
        super().start_proxy()

    def browser(
        self, serve: Callable[[socket.socket], None], password: str = ''
    ) -> Browser:
        """A browser on a VNC server.

        :param password: what its user types
        """
        self.console(serve, kind='novnc')
        browser = Browser(
            f'{self.proxy.url}?token={self.token("vnc", "novnc")}', password
        )
        self.addCleanup(browser.connection.close)
        return browser

    def check_screen(self, browser: Browser, *types: int) -> None:
        """Check that a browser gets to the screen by a security type."""
        browser.perform(rfb.log_in(types))
        self.assertEqual(consoles.SCREEN, browser.desktop())

    def check_refused(self, browser: Browser, reason: str) -> None:
        """Check that the page and the websocket say why."""
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


class BrowserTest(RFBTest):
    def test_server_without_authentication(self) -> None:
        self.check_screen(self.browser(consoles.vnc), rfb.NONE)

    def test_user_is_asked_for_an_unknown_password(self) -> None:
        serve = protected('secret')
        self.check_screen(self.browser(serve, 'secret'), rfb.VNC)
        self.check_refused(self.browser(serve, 'wrong'), 'refuses')

    def test_not_a_vnc_server(self) -> None:
        for serve, reason in (
            (
                lambda connection: connection.sendall(
                    b'SSH-2.0-OpenSSH_9\r\n'
                ),
                'not an RFB server',
            ),
            (lambda connection: None, 'does not answer'),
        ):
            self.check_refused(self.browser(serve), reason)

    def test_reason_of_a_server_is_escaped(self) -> None:
        def serve(connection: socket.socket) -> None:
            connection.sendall(b'RFB 003.008\n')
            consoles.heard(connection, b'\n')
            reason = b'busy\nforged\x1b[2J'
            connection.sendall(struct.pack('>BI', 0, len(reason)) + reason)

        self.check_refused(self.browser(serve), r'busy\nforged\x1b[2J')
        self.assertIn(r'busy\nforged\x1b[2J', self.proxy.log.read_text())

    def test_not_a_vnc_client(self) -> None:
        browser = self.browser(consoles.vnc)
        browser.sendall(b'GET / HTTP/1.1\r\n\r\n')
        while browser.recv(100):
            pass
        self.assertEqual(1002, browser.connection.close_code)


class KnownPasswordTest(RFBTest):
    VNC = {'hypervisor_password': 'secret'}

    def test_user_is_not_asked_for_a_known_password(self) -> None:
        self.check_screen(self.browser(protected('secret')), rfb.NONE)

    def test_wrong_password_of_the_proxy(self) -> None:
        self.check_refused(
            self.browser(protected('other')), 'The hypervisor refuses'
        )


class VencryptTest(RFBTest):
    folder: ClassVar[pathlib.Path]

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = cls.new_folder()
        certificates.write(cls.folder)
        cls.VNC = {
            'auth_schemes': 'vencrypt',
            'vencrypt_ca_certs': cls.folder / 'ca-cert.pem',
        }
        super().setUpClass()
        cls.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        cls.context.load_cert_chain(
            cls.folder / 'server-cert.pem', cls.folder / 'server-key.pem'
        )

    def serve(
        self, connection: socket.socket, before_tls: bytes = b''
    ) -> None:
        """A VNC server with VeNCrypt and no password.

        :param before_tls: sent too early, where TLS is agreed upon
        """
        connection.sendall(b'RFB 003.008\n')
        consoles.heard(connection, b'RFB 003.008\n')
        connection.sendall(bytes([1, rfb.VENCRYPT]))
        consoles.heard(connection, bytes([rfb.VENCRYPT]))
        connection.sendall(b'\x00\x02')
        consoles.heard(connection, b'\x00\x02')
        subtype = struct.pack('>I', rfb.X509_NONE)
        connection.sendall(b'\x00\x01' + subtype)
        consoles.heard(connection, subtype)
        connection.sendall(b'\x01' + before_tls)
        with self.context.wrap_socket(
            connection, server_side=True
        ) as encrypted:
            if not before_tls:
                encrypted.sendall(bytes(4))
            consoles.screen(encrypted)

    def renew_certificate(self) -> None:
        """Have new authorities and a new certificate of the hypervisor."""
        certificates.write(self.folder)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(
            self.folder / 'server-cert.pem', self.folder / 'server-key.pem'
        )


class HypervisorTLSTest(VencryptTest):
    def test_tls_with_the_hypervisor(self) -> None:
        self.check_screen(self.browser(self.serve), rfb.NONE)

    def test_data_before_tls_is_refused(self) -> None:
        """Else this would be taken for the log-in's result inside TLS."""
        self.check_refused(
            self.browser(lambda it: self.serve(it, bytes(4))),
            'does not answer',
        )

    def test_server_without_tls_is_refused(self) -> None:
        self.check_refused(self.browser(consoles.vnc), 'offers security types')

    def test_untrusted_certificate_is_refused(self) -> None:
        self.renew_certificate()
        self.check_refused(self.browser(self.serve), 'is not trusted')


class ReloadTest(VencryptTest):
    def test_certificates_are_read_again_on_sighup(self) -> None:
        before = self.browser(self.serve)
        self.check_screen(before, rfb.NONE)
        self.renew_certificate()
        authorities = self.folder / 'ca-cert.pem'
        renewed = authorities.read_text()
        authorities.write_text('nonsense')
        self.proxy.process.signal(signal.SIGHUP)
        process.wait_for(
            lambda: 'old ones stay' in self.proxy.log.read_text(),
            'the proxy to read it',
        )
        self.check_refused(self.browser(self.serve), 'is not trusted')
        authorities.write_text(renewed)
        self.proxy.process.signal(signal.SIGHUP)

        def is_trusted() -> bool:
            with contextlib.suppress(rfb.RFBError):
                self.check_screen(self.browser(self.serve), rfb.NONE)
                return True
            return False

        process.wait_for(is_trusted, 'the new certificate')
        before.sendall(b'hello')
        self.assertIn(b'hello', consoles.heard(before, b'hello'))
