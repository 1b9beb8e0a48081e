# SPDX-License-Identifier: Apache-2.0

"""TLS to the SPICE servers of hypervisors, with a stub."""

import contextlib
import pathlib
import socket
import ssl
from collections.abc import Callable
from typing import ClassVar

from console_svc.tests.functional.proxy.spice import SpiceTest
from console_svc.tests.programs import certificates, consoles, process, spice
from console_svc.tests.programs.spice import OK, Server


class ServersTest(SpiceTest):
    """A hypervisor with two ports; new tokens lead to both."""

    pki: ClassVar[pathlib.Path]
    #: Names of options of [spice] -> files of the hypervisor.
    FILES: ClassVar[dict[str, str]] = {'ca_certs': 'ca-cert.pem'}

    @classmethod
    def start_proxy(cls) -> None:
        cls.pki = cls.new_folder()
        certificates.write(cls.pki)
        cls.SPICE = {
            **cls.SPICE,
            **{name: cls.pki / file for name, file in cls.FILES.items()},
        }
        super().start_proxy()

    def setUp(self) -> None:
        super().setUp()
        self.plain, self.secure = Server(), Server()
        self.start_servers(self.pki)

    def start_servers(
        self,
        pki: pathlib.Path,
        tls: bool = True,
        verify: bool = False,
        kind: str = 'spice-direct',
    ) -> None:
        """Start the hypervisor.

        :param pki: folder with its certificate
        :param tls: whether it has a port for TLS
        :param verify: whether it requires a certificate of the proxy
        :param kind: the console type
        """
        plain = self.useFixture(consoles.TCPConsole(self.plain.serve))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(
            pki / 'server-cert.pem', pki / 'server-key.pem'
        )
        if verify:
            context.load_verify_locations(self.pki / 'ca-cert.pem')
            context.verify_mode = ssl.CERT_REQUIRED
        secure = self.useFixture(
            consoles.TCPConsole(_with_tls(context, self.secure.serve))
        )
        self.place_with_tls(plain.port, secure.port if tls else None, kind)

    def check(self, error: int, plain: int = 0, secure: int = 0) -> None:
        """Check a channel's error, and the links that each port got."""
        channel = self.channel(self.spice_token())
        self.assertEqual(error, channel.error)
        if error == OK:
            channel.init()
            self.assertEqual(b'hello', channel.echo(b'hello'))
        self.assertEqual(
            (plain, secure), (len(self.plain.links), len(self.secure.links))
        )


class TLSTest(ServersTest):
    def test_port_with_tls_is_preferred(self) -> None:
        self.check(OK, secure=1)

    def test_console_without_tls(self) -> None:
        self.start_servers(self.pki, tls=False)
        self.check(OK, plain=1)

    def test_other_ca_is_not_trusted(self) -> None:
        other = self.new_folder()
        certificates.write(other)
        self.start_servers(other)
        self.check(1)
        self.wait_for_log(
            'The hypervisor is not trusted, or rejects the proxy.'
        )

    def test_server_without_tls_on_its_port(self) -> None:
        plain = self.useFixture(consoles.TCPConsole(consoles.echo))
        self.place_with_tls(process.free_port(), plain.port)
        self.check(1)

    def test_missing_client_certificate(self) -> None:
        self.start_servers(self.pki, verify=True)
        self.check(1)

    def test_pages_use_tls(self) -> None:
        self.start_servers(self.pki, kind='spice-html5')
        token = self.token('spice', 'spice-html5')
        connection = self.connect(f'?token={token}')
        connection.send(spice.link())
        received = connection.recv(process.PATIENCE)
        assert isinstance(received, bytes)
        self.assertEqual(b'REDQ', received[:4])
        self.assertEqual(1, len(self.secure.links))


class ClientCertificateTest(ServersTest):
    FILES = {
        'ca_certs': 'ca-cert.pem',
        'client_cert': 'server-cert.pem',
        'client_key': 'server-key.pem',
    }

    def test_client_certificate_is_sent(self) -> None:
        self.start_servers(self.pki, verify=True)
        self.check(OK, secure=1)


class WithoutTLSTest(ServersTest):
    FILES: ClassVar[dict[str, str]] = {}

    def test_tls_is_not_used_without_a_ca(self) -> None:
        self.check(OK, plain=1)


class RequiredTLSTest(ServersTest):
    SPICE = {'require_secure': True}

    def test_consoles_without_tls_are_refused(self) -> None:
        self.check(OK, secure=1)
        self.secure.links.clear()
        self.start_servers(self.pki, tls=False)
        self.check(1)
        self.wait_for_log('which [spice] require_secure requires')


def _with_tls(
    context: ssl.SSLContext, serve: Callable[[socket.socket], None]
) -> Callable[[socket.socket], None]:
    def with_tls(stream: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            context.wrap_socket(stream, server_side=True) as secure,
        ):
            serve(secure)

    return with_tls
