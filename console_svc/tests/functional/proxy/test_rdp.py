# SPDX-License-Identifier: Apache-2.0

"""RDP consoles: RDCleanPath with a browser, TLS with an RDP server."""

import pathlib
import signal
import socket
import ssl
from collections.abc import Callable
from typing import Any, ClassVar

from websockets.sync.client import ClientConnection

from console_svc.tests.functional.proxy.base import NO_ANSWER, ProxyTest
from console_svc.tests.programs import certificates, consoles, process, rdp

#: What a refusal by the proxy has as its error: of the client, and of the
#: RDP server.
BAD_REQUEST, BAD_GATEWAY = (
    rdp.message({0: rdp.number(1), 1: rdp.number(status)})
    for status in (400, 502)
)

RDP_NO_ANSWER = 'The RDP server does not answer.'
NEGOTIATION = rdp.message({0: rdp.number(2)})


class RDPTest(ProxyTest):
    """RDP servers have a certificate of an authority that the proxy knows."""

    #: Whether the proxy has the authority's certificate.
    TRUSTING: ClassVar[bool] = True
    #: Other options of [rdp].
    RDP: ClassVar[dict[str, Any]] = {}

    folder: ClassVar[pathlib.Path]
    context: ssl.SSLContext

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = cls.new_folder()
        certificates.write(cls.folder)
        options = dict(cls.RDP)
        if cls.TRUSTING:
            options['tls_ca_certs'] = cls.folder / 'ca-cert.pem'
        cls.PROXY = {**cls.PROXY, 'rdp': options}
        super().setUpClass()

    def setUp(self) -> None:
        super().setUp()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(
            self.folder / 'server-cert.pem', self.folder / 'server-key.pem'
        )

    def browser(
        self,
        serve: Callable[[socket.socket], Any],
        path: str | None = None,
    ) -> ClientConnection:
        """A browser that has opened an RDP console, and sent nothing yet."""
        self.console(serve, path, 'rdp-html5')
        return self.connect(f'?token={self.token("rdp", "rdp-html5")}')

    def at_localhost(self) -> ClientConnection:
        """A browser; the certificate of its console is for 127.0.0.1."""
        serve = rdp.server(self.context)
        port = self.useFixture(consoles.TCPConsole(serve)).port
        self.place(port, kind='rdp-html5', host='localhost')
        return self.connect(f'?token={self.token("rdp", "rdp-html5")}')

    def answer(
        self, browser: ClientConnection, request: bytes | None = None
    ) -> dict[int, bytes]:
        """The members of the answer to a request."""
        browser.send(rdp.request() if request is None else request)
        answer = browser.recv(process.PATIENCE)
        assert isinstance(answer, bytes)
        members = rdp.members(answer)
        self.assertEqual(rdp.number(rdp.VERSION), members.pop(0))
        return members

    def check_refused(
        self,
        browser: ClientConnection,
        reason: str,
        error: bytes = BAD_GATEWAY,
        confirm: bytes | None = None,
        request: bytes | None = None,
    ) -> None:
        """Check the answer of RDCleanPath, and code and close reason."""
        expected = {1: error}
        if confirm is not None:
            expected[6] = rdp.der(4, confirm)
        self.assertEqual(expected, self.answer(browser, request))
        code = 1002 if error == BAD_REQUEST else 1014
        self.assertEqual((code, reason), self.closed(browser))
        self.wait_for_no_session()


class ConsoleTest(RDPTest):
    def test_bytes_are_relayed_inside_tls(self) -> None:
        for confirm in (rdp.TLS, rdp.CREDSSP):
            heard: list[bytes] = []
            browser = self.browser(rdp.server(self.context, confirm, heard))
            certificate = ssl.PEM_cert_to_DER_cert(
                (self.folder / 'server-cert.pem').read_text()
            )
            self.assertEqual(
                {
                    6: rdp.der(4, confirm),
                    7: rdp.der(0x30, rdp.der(4, certificate)),
                    9: rdp.der(12, b'0.0.0.0:3389'),
                },
                self.answer(browser),
            )
            self.assertEqual([rdp.REQUEST], heard)
            self.check_echo(browser, b'x' * 200_000)
            browser.close()

    def test_request_in_pieces(self) -> None:
        browser = self.browser(rdp.server(self.context))
        for byte in rdp.request()[:-1]:
            browser.send(bytes([byte]))
        self.assertIn(9, self.answer(browser, rdp.request()[-1:]))
        self.check_echo(browser)

    def test_destination_of_the_page_is_ignored(self) -> None:
        asked = []
        other = self.useFixture(consoles.TCPConsole(asked.append))
        browser = self.browser(rdp.server(self.context))
        destination = f'127.0.0.1:{other.port}'
        self.answer(browser, rdp.request(destination=destination))
        self.check_echo(browser)
        self.assertEqual([], asked)

    def test_ended_session_is_closed(self) -> None:
        browser = self.browser(rdp.server(self.context))
        self.answer(browser)
        self.check_echo(browser)
        (session,) = self.sessions()
        self.assertEqual('rdp-html5', session['console_type'])
        self.end(session)
        self.assertEqual(
            (1008, 'The session was ended.'), self.closed(browser)
        )

    def test_end_of_the_server_is_the_end_of_the_session(self) -> None:
        def serve(connection: socket.socket) -> None:
            rdp.exactly(connection, len(rdp.REQUEST))
            connection.sendall(rdp.TLS)
            with rdp.encrypted(connection, self.context) as inside:
                inside.sendall(b'bye')

        browser = self.browser(serve)
        self.answer(browser)
        self.assertEqual(b'bye', browser.recv(process.PATIENCE))
        self.assertEqual(1000, self.closed(browser)[0])
        self.wait_for_no_session()


class AccessPathTest(RDPTest):
    """Hyper-V: the access path is the id of a virtual machine."""

    PATH = '51af38c3-555e-4884-a314-6c8cdde37444'

    def serve(
        self, connection: socket.socket, x224: bool, heard: list[str]
    ) -> None:
        heard.append(rdp.preconnection(connection))
        if x224:
            rdp.exactly(connection, len(rdp.REQUEST))
            connection.sendall(rdp.CREDSSP)
        with rdp.encrypted(connection, self.context) as inside:
            consoles.echo(inside)

    def test_identifier_is_that_of_the_token(self) -> None:
        for x224, members in (
            (rdp.REQUEST, {6, 7, 9}),
            # VMConnect: X.224 follows inside TLS.
            (None, {7, 9}),
        ):
            heard: list[str] = []
            browser = self.browser(
                lambda it, x224=x224, heard=heard: self.serve(
                    it, x224 is not None, heard
                ),
                self.PATH,
            )
            request = rdp.request(x224, blob='of another machine')
            self.assertEqual(members, {*self.answer(browser, request)})
            self.check_echo(browser)
            self.assertEqual([self.PATH], heard)
            browser.close()

    def test_identifier_of_the_page_is_ignored(self) -> None:
        heard: list[bytes] = []
        browser = self.browser(rdp.server(self.context, heard=heard))
        self.answer(browser, rdp.request(blob=self.PATH))
        self.check_echo(browser)
        self.assertEqual([rdp.REQUEST], heard)

    def test_x224_is_required_without_an_access_path(self) -> None:
        self.check_refused(
            self.browser(consoles.hang),
            'This console requires an X.224 request.',
            BAD_REQUEST,
            request=rdp.request(None, blob=self.PATH),
        )

    def test_access_path_with_control_characters_is_not_sent(self) -> None:
        for path in ('a\nb', 'a\0b', '\u202e'):
            asked = []

            def serve(
                connection: socket.socket, asked: list[bytes] = asked
            ) -> None:
                asked.append(connection.recv(100))

            self.check_refused(
                self.browser(serve, path),
                'The access path of this console is invalid.',
            )
            self.assertEqual([], [it for it in asked if it])


class BadBrowserTest(RDPTest):
    NOT_RDP = 'This console requires an RDP client with RDCleanPath.'

    def test_bad_requests_are_refused(self) -> None:
        for request in (
            b'RFB 003.008\n',
            rdp.request(version=1),
            rdp.request(b'x' * 30),
            rdp.request(destination='x' * 10_000),
            bytes(200_000),
        ):
            asked: list[socket.socket] = []
            self.check_refused(
                self.browser(asked.append),
                self.NOT_RDP,
                BAD_REQUEST,
                request=request,
            )
            self.assertEqual([], asked)

    def test_text_is_refused(self) -> None:
        browser = self.browser(consoles.hang)
        browser.send('text')
        self.assertIsInstance(browser.recv(process.PATIENCE), bytes)
        self.assertEqual(1003, self.closed(browser)[0])


class BadServerTest(RDPTest):
    def test_unreachable_server(self) -> None:
        self.place(process.free_port(), kind='rdp-html5')
        browser = self.connect(f'?token={self.token("rdp", "rdp-html5")}')
        self.check_refused(browser, NO_ANSWER[1])

    def test_server_without_tls_is_refused(self) -> None:
        for confirm, reason in (
            (rdp.OLD, 'it does not support TLS'),
            (rdp.PLAIN, 'it selects RDP security without TLS'),
            (rdp.NO_CERTIFICATE, 'it has no certificate for TLS'),
        ):
            self.check_refused(
                self.browser(rdp.server(None, confirm)),
                f'The RDP server refuses: {reason}.',
                NEGOTIATION,
                confirm,
            )

    def test_not_an_rdp_server(self) -> None:
        for sent in (b'SSH-2.0-OpenSSH_9\r\n', b'\x03\0\xff\xff' + bytes(99)):

            def serve(connection: socket.socket, sent: bytes = sent) -> None:
                connection.sendall(sent)
                consoles.hang(connection)

            browser = self.browser(serve)
            self.assertEqual({1: BAD_GATEWAY}, self.answer(browser))
            code, reason = self.closed(browser)
            self.assertEqual(1014, code)
            self.assertIn('The RDP server is not usable', reason)

    def test_server_that_closes_the_connection(self) -> None:
        for serve in (
            lambda connection: rdp.exactly(connection, len(rdp.REQUEST)),
            rdp.server(None, rdp.TLS[:10]),
            rdp.server(None),
        ):
            self.check_refused(self.browser(serve), RDP_NO_ANSWER)

    def test_data_before_tls_is_refused(self) -> None:
        """Else it would be taken for what TLS protects."""
        self.check_refused(
            self.browser(rdp.server(self.context, rdp.TLS + b'early')),
            RDP_NO_ANSWER,
        )

    def test_no_tls_after_the_negotiation(self) -> None:
        def serve(connection: socket.socket) -> None:
            rdp.exactly(connection, len(rdp.REQUEST))
            connection.sendall(rdp.TLS)
            connection.recv(1)
            connection.sendall(b'x' * 1000)
            consoles.hang(connection)

        self.check_refused(
            self.browser(serve), 'TLS with the RDP server failed.'
        )


class TimeoutTest(RDPTest):
    PROXY = {'handshake_timeout': 3}

    def test_browser_without_a_request_times_out(self) -> None:
        for sent in (b'', rdp.request()[:50]):
            browser = self.browser(consoles.hang)
            browser.send(sent)
            browser.recv(process.PATIENCE)
            self.assertEqual(
                (1002, 'The client timed out.'), self.closed(browser)
            )

    def test_server_that_stops_answering_times_out(self) -> None:
        def no_tls(connection: socket.socket) -> None:
            connection.sendall(rdp.TLS)
            consoles.hang(connection)

        for serve in (consoles.hang, no_tls):
            self.check_refused(self.browser(serve), RDP_NO_ANSWER)

    def test_browser_may_leave_during_the_handshake(self) -> None:
        for request in (b'', rdp.request()):
            browser = self.browser(consoles.hang)
            browser.send(request)
            browser.socket.shutdown(socket.SHUT_RDWR)
        self.wait_for_no_session()


class CertificateTest(RDPTest):
    """The certificate is for 127.0.0.1."""

    UNTRUSTED = "The RDP server's certificate is not trusted by this proxy."

    def renew_certificate(self) -> None:
        """Have new authorities and a new certificate of the RDP server."""
        certificates.write(self.folder)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(
            self.folder / 'server-cert.pem', self.folder / 'server-key.pem'
        )

    def test_untrusted_certificate_is_refused_until_sighup(self) -> None:
        self.renew_certificate()
        serve = rdp.server(self.context)
        self.check_refused(self.browser(serve), self.UNTRUSTED)
        self.assertIn('certificate verify failed', self.proxy.log.read_text())
        self.proxy.process.signal(signal.SIGHUP)

        def is_trusted() -> bool:
            return 9 in self.answer(self.browser(serve))

        process.wait_for(is_trusted, 'the new certificate')

    def test_certificate_of_another_host_is_refused(self) -> None:
        self.check_refused(self.at_localhost(), self.UNTRUSTED)


class SystemAuthoritiesTest(RDPTest):
    TRUSTING = False

    def test_unknown_authority_is_refused_by_default(self) -> None:
        self.check_refused(
            self.browser(rdp.server(self.context)), CertificateTest.UNTRUSTED
        )


class NoVerificationTest(RDPTest):
    TRUSTING = False
    RDP = {'tls_verify': 'false'}

    def test_any_certificate_is_trusted(self) -> None:
        browser = self.browser(rdp.server(self.context))
        self.assertIn(9, self.answer(browser))
        self.check_echo(browser)


class AnyHostTest(RDPTest):
    RDP = {'tls_check_host': 'false'}

    def test_certificate_of_another_host_is_trusted(self) -> None:
        browser = self.at_localhost()
        self.assertIn(9, self.answer(browser))
        self.check_echo(browser)
