# SPDX-License-Identifier: Apache-2.0

"""ESXi consoles: a websocket inside TLS, at a stub."""

import hashlib
import json
import pathlib
import ssl
import threading
from typing import ClassVar

import fixtures
from websockets.sync import server
from websockets.sync.server import ServerConnection

from console_svc.tests.functional.proxy.base import ProxyTest
from console_svc.tests.programs import certificates

NOT_USABLE = (1014, 'The ESXi host is not usable.')
TICKET = '52c0/b1 ?#'


class Host(fixtures.Fixture):
    """An ESXi host: a websocket for a ticket, with an echo."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(
            folder / 'server-cert.pem', folder / 'server-key.pem'
        )
        #: The paths that were requested.
        self.paths: list[str] = []

    def _setUp(self) -> None:
        self._server = server.serve(
            self._serve,
            '127.0.0.1',
            0,
            ssl=self._context,
            subprotocols=['binary'],
            process_request=self._check,
        )
        self.port: int = self._server.socket.getsockname()[1]
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self._server.shutdown)

    def _check(self, connection: ServerConnection, request):
        self.paths.append(request.path)
        if not request.path.startswith('/ticket/52c0'):
            return connection.respond(404, 'no such ticket')
        return None

    def _serve(self, connection: ServerConnection) -> None:
        connection.ping()
        for message in connection:
            if message == b'bye':
                return
            # In fragments.
            connection.send([message[:1], message[1:]])


class MKSTest(ProxyTest):
    folder: ClassVar[pathlib.Path]

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = cls.new_folder()
        certificates.write(cls.folder)
        super().setUpClass()

    def setUp(self) -> None:
        super().setUp()
        self.host = self.useFixture(Host(self.folder))

    def target(self, path: str) -> str:
        """A URL of a console with an access path."""
        self.place(self.host.port, path, 'webmks')
        return f'?token={self.token("mks", "webmks")}'

    def access(self, algorithm: str = 'sha1', **other: str) -> str:
        """The access path of a ticket, as nova's VMware driver has it."""
        der = ssl.PEM_cert_to_DER_cert(
            (self.folder / 'server-cert.pem').read_text()
        )
        digest = hashlib.new(algorithm, der).hexdigest()
        return json.dumps(
            {'ticket': TICKET, 'cfgFile': 'a.vmx', 'thumbprint': digest}
            | other
        )

    def test_frames_are_relayed_both_ways(self) -> None:
        for algorithm in 'sha1', 'sha256':
            browser = self.connect(self.target(self.access(algorithm)))
            self.check_echo(browser, bytes(range(250)) * 1000)
            browser.send(b'bye')
            self.assertEqual(
                (1000, 'The console has ended.'), self.closed(browser)
            )
            self.wait_for_no_session()
        self.assertEqual({'/ticket/52c0%2Fb1%20%3F%23'}, {*self.host.paths})

    def test_revoked_session_is_cut(self) -> None:
        browser = self.connect(self.target(self.access()))
        self.check_echo(browser)
        (session,) = self.sessions()
        self.end(session)
        self.assertEqual(
            (1008, 'The session was ended.'), self.closed(browser)
        )

    def test_hosts_without_the_thumbprint_are_not_trusted(self) -> None:
        for path in (
            self.access(thumbprint='00:' * 19 + '00'),
            # No thumbprint: an authority that the system does not know.
            '52c0',
        ):
            self.assertEqual(NOT_USABLE, self.refused(self.target(path)))
        self.assertEqual([], self.host.paths)
        self.assertNotIn('52c0', self.proxy.log.read_text())

    def test_refused_tickets(self) -> None:
        path = self.access(ticket='0000-1111')
        self.assertEqual(NOT_USABLE, self.refused(self.target(path)))
        self.assertNotIn('0000-1111', self.proxy.log.read_text())

    def test_access_paths_without_a_ticket_are_invalid(self) -> None:
        for path in (
            '{}',
            '{"ticket": 5}',
            '{"ticket": ""}',
            self.access(thumbprint='x'),
        ):
            self.assertEqual(
                (1014, 'The access path of this console is invalid.'),
                self.refused(self.target(path)),
            )
        self.wait_for_no_session()
