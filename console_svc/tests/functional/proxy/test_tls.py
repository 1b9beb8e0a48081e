# SPDX-License-Identifier: Apache-2.0

"""TLS with browsers."""

import contextlib
import pathlib
import signal
import socket
import ssl

from websockets.exceptions import ConnectionClosed

from console_svc.tests import fixtures
from console_svc.tests.functional.proxy.base import ProxyTest
from console_svc.tests.programs import certificates, process


def trusting(authority: pathlib.Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority))
    # The client reads in a thread beside the one that writes. In TLS 1.3 what
    # it writes is lost at times, while the other reads session tickets.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


class TLSTest(ProxyTest):
    @classmethod
    def start_proxy(cls) -> None:
        pass

    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(
            self.useFixture(fixtures.fixtures.TempDir()).path
        )
        certificates.write(self.folder)
        self.options = {
            'cert': self.folder / 'server-cert.pem',
            'key': self.folder / 'server-key.pem',
        }
        self.console()

    def test_old_versions_of_tls_are_refused(self) -> None:
        self.start(**self.options, ssl_minimum_version='tlsv1_3')
        authority = self.folder / 'ca-cert.pem'
        self.assertRaises(ssl.SSLError, self.connect, ssl=trusting(authority))
        context = ssl.create_default_context(cafile=str(authority))
        with (
            socket.create_connection(('127.0.0.1', self.proxy.port)) as plain,
            context.wrap_socket(plain, server_hostname='127.0.0.1') as stream,
        ):
            self.assertEqual('TLSv1.3', stream.version())

    def test_certificate_is_read_again_on_sighup(self) -> None:
        self.start(**self.options)
        first = self.folder / 'first-ca.pem'
        first.write_bytes((self.folder / 'ca-cert.pem').read_bytes())
        before = self.connect(ssl=trusting(first))
        self.check_echo(before)
        # A certificate without its key is ignored.
        key = self.folder / 'server-key.pem'
        old_key = key.read_text()
        certificates.write(self.folder)
        new_key = key.read_text()
        key.write_text(old_key)
        self.proxy.process.signal(signal.SIGHUP)
        process.wait_for(
            lambda: 'the old one stays' in self.proxy.log.read_text(),
            'the proxy to read it',
        )
        self.check_echo(self.connect(ssl=trusting(first)))
        key.write_text(new_key)
        self.proxy.process.signal(signal.SIGHUP)
        after = trusting(self.folder / 'ca-cert.pem')

        def renewed() -> bool:
            with contextlib.suppress(ssl.SSLError, ConnectionClosed):
                self.check_echo(self.connect(ssl=after))
                return True
            return False

        process.wait_for(renewed, 'the new certificate')
        self.check_echo(before)
