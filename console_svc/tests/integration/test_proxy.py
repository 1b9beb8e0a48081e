# SPDX-License-Identifier: Apache-2.0

"""The console proxy between websocket clients and consoles of a few lines."""

import contextlib
import http.client
import os
import pathlib
import signal
import socket
import ssl
import threading
import time
from typing import Any, ClassVar

import testtools
from testtools import MultipleExceptions
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync import client
from websockets.sync.client import ClientConnection

from console_svc.tests import fixtures
from console_svc.tests.integration import certificates, consoles, process
from console_svc.tests.integration.consoles import TCPConsole
from console_svc.tests.integration.proxy import Proxy
from console_svc.tests.integration.service import Service

SESSIONS = f'/v2.1/servers/{fixtures.SERVER}/console-sessions'
_LAPSE = {'session_lapse': 3}
NOT_VALID = (1008, 'The console token is not valid, or no longer.')
NO_TOKEN = (1008, 'There is no console token in the URL.')
AWAY = (1013, 'The console service is unavailable. Try again later.')
ENDED = (1000, 'The console has ended.')


class ProxyTest(testtools.TestCase):
    """With a console of the type serial, which is all bytes."""

    shared: ClassVar[Service]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.shared = Service(consoleauth=_LAPSE)
        cls.shared.setUp()
        cls.addClassCleanup(cls.shared.cleanUp)

    def start(
        self,
        serve: Any = consoles.echo,
        path: str | None = None,
        consoleauth: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Start a proxy in front of a console.

        :param path: the console's internal access path
        :param consoleauth: options of a service of the test's own
        """
        self.console = self.useFixture(TCPConsole(serve))
        self.service = self.shared
        if consoleauth is not None:
            self.service = self.useFixture(
                Service(consoleauth={**_LAPSE, **consoleauth})
            )
        self.place(self.console.port, path)
        self.proxy = self.useFixture(
            Proxy(self.service, keep_interval=1, **options)
        )
        self.addCleanup(self.read_log, self.proxy)

    def place(self, port: int, path: str | None = None) -> None:
        """Put the console at a port."""
        document = fixtures.inventory()
        for console in document['servers'][0]['consoles']:
            if console['type'] == 'serial':
                console.update(host='127.0.0.1', port=port)
                if path is not None:
                    console['internal_access_path'] = path
        self.service.write_inventory(document)

    def read_log(self, proxy: Proxy) -> None:
        log = proxy.log.read_text()
        for secret in (*self.service.secrets, 'Traceback'):
            self.assertNotIn(secret, log)

    def connect(
        self, target: str | None = None, **more: Any
    ) -> ClientConnection:
        """A websocket, with a new token unless a target says otherwise."""
        if target is None:
            target = f'?token={self.token()}'
        connection = client.connect(
            f'{self.proxy.url}{target}',
            subprotocols=['binary'],  # type: ignore[list-item]
            open_timeout=process.PATIENCE,
            close_timeout=1,
            **more,
        )
        self.addCleanup(connection.close)
        return connection

    def token(self, protocol: str = 'serial', kind: str = 'serial') -> str:
        """A new one."""
        answer = self.service.request(
            'POST',
            f'/v2.1/servers/{fixtures.SERVER}/remote-consoles',
            fixtures.MEMBER,
            '2.6',
            json={'remote_console': {'protocol': protocol, 'type': kind}},
        )
        url: str = answer.json()['remote_console']['url']
        return url.rpartition('=')[2]

    def talks(self, connection: ClientConnection, data: bytes = b'hi') -> None:
        """See that an echo comes back."""
        for start in range(0, len(data), 65536):
            connection.send(data[start : start + 65536])
        got = b''
        while len(got) < len(data):
            got += connection.recv(process.PATIENCE)  # type: ignore[operator]
        self.assertEqual(data, got)

    def closed(self, connection: ClientConnection) -> tuple[int, str]:
        """With what the proxy closes a connection."""
        try:
            while True:
                connection.recv(process.PATIENCE)
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return closed.rcvd.code, closed.rcvd.reason

    def refused(self, target: str, **more: Any) -> tuple[int, str]:
        """With what it closes a new one."""
        return self.closed(self.connect(target, **more))

    def sessions(self) -> list[dict[str, Any]]:
        """What the API knows of."""
        answer = self.service.request('GET', SESSIONS, fixtures.MEMBER)
        found: list[dict[str, Any]] = answer.json()['console_sessions']
        return found

    def wait_for_no_session(self) -> None:
        process.wait_for(lambda: not self.sessions(), 'the sessions to end')


class SessionTest(ProxyTest):
    def test_bytes_go_both_ways(self) -> None:
        self.start()
        connection = self.connect()
        self.assertEqual('binary', connection.subprotocol)
        self.talks(connection, bytes(range(256)) * 4096)
        connection.send(b'')
        self.talks(connection)

    def test_a_session_of_the_api(self) -> None:
        self.start()
        connection = self.connect()
        self.talks(connection)
        (session,) = self.sessions()
        self.assertEqual('127.0.0.1', session['client_address'])
        self.assertEqual('serial', session['console_type'])
        # It is kept alive for longer than it would live.
        time.sleep(5)
        self.assertEqual([session], self.sessions())
        connection.close()
        self.wait_for_no_session()

    def test_the_console_hangs_up(self) -> None:
        self.start(lambda connection: connection.sendall(b'bye'))
        connection = self.connect()
        self.assertEqual(b'bye', connection.recv(process.PATIENCE))
        self.assertEqual(ENDED, self.closed(connection))
        self.wait_for_no_session()

    def test_somebody_ends_it(self) -> None:
        self.start()
        connection = self.connect()
        self.talks(connection)
        (session,) = self.sessions()
        self.service.request(
            'DELETE', f'{SESSIONS}/{session["id"]}', fixtures.MEMBER
        )
        began = time.monotonic()
        self.assertEqual(
            (1008, 'The session was ended.'), self.closed(connection)
        )
        self.assertLess(time.monotonic() - began, 10)

    def test_its_token_is_revoked(self) -> None:
        self.start()
        connection = self.connect()
        self.talks(connection)
        self.service.request(
            'DELETE',
            f'/v2.1/servers/{fixtures.SERVER}/console-auth-tokens',
            fixtures.MEMBER,
        )
        self.assertEqual(
            (1008, 'The session was ended.'), self.closed(connection)
        )

    def test_it_expires(self) -> None:
        self.start(
            consoleauth={'token_ttl': 5, 'enforce_session_timeout': True}
        )
        connection = self.connect()
        self.talks(connection)
        self.assertEqual(
            (1008, 'The session has expired.'), self.closed(connection)
        )

    def test_nothing_moves(self) -> None:
        self.start(idle_timeout=3)
        connection = self.connect()
        for _ in range(5):
            self.talks(connection)
            time.sleep(1)
        self.assertEqual(
            (1008, 'The session was idle for too long.'),
            self.closed(connection),
        )

    def test_the_api_is_away(self) -> None:
        """Sessions go on, and are known again when it is back."""
        self.start(consoleauth={})
        connection = self.connect()
        self.talks(connection)
        before = self.sessions()
        self.service.process.stop()
        self.assertEqual(AWAY, self.refused('?token=some-token'))
        time.sleep(4)
        self.talks(connection)
        self.service.process.start()
        process.wait_for(lambda: process.listens(self.service.port), 'the API')
        process.wait_for(lambda: self.sessions() == before, 'the session')
        self.talks(connection)
        self.assertGreater(
            self.proxy.metrics()['console_svc_proxy_api_failures_total'], 0
        )

    def test_too_many(self) -> None:
        self.start(max_sessions=2)
        first, second = self.connect(), self.connect()
        self.talks(first)
        self.talks(second)
        full = (1013, 'This console proxy has too many sessions.')
        self.assertEqual(full, self.closed(self.connect()))
        first.close()
        process.wait_for(lambda: len(self.sessions()) == 1, 'room')
        self.talks(self.connect())


class TokenTest(ProxyTest):
    def test_where_it_may_be(self) -> None:
        self.start()
        token = self.token()
        for target, cookie in (
            (f'?token={token}', None),
            (f'websockify?x=1&token={token}', None),
            (f'websockify?path=%3Ftoken%3D{token}', None),
            ('websockify', f'token={token}'),
            ('websockify', f'a=b; token="{token}"'),
        ):
            headers = {'Cookie': cookie} if cookie else None
            self.talks(self.connect(target, additional_headers=headers))

    def test_where_it_is_not(self) -> None:
        self.start()
        token = self.token()
        for target in (
            '',
            token,
            f'token={token}',
            f'?key={token}',
            '?token=',
            '?token=a/../b',
            '?token=%00',
            f'?token={"x" * 129}',
            '?path=%3Ftoken',
        ):
            self.assertEqual(NO_TOKEN, self.refused(target), target)
        self.assertEqual(
            NO_TOKEN,
            self.refused('', additional_headers={'Cookie': 'token="\\"; ;'}),
        )

    def test_one_that_is_not_valid(self) -> None:
        self.start(consoleauth={'token_ttl': 1})
        self.assertEqual(NOT_VALID, self.refused('?token=unknown'))
        token = self.token()
        time.sleep(2)
        self.assertEqual(NOT_VALID, self.refused(f'?token={token}'))

    def test_one_for_a_single_use(self) -> None:
        self.start(consoleauth={'max_uses': 1})
        target = f'?token={self.token()}'
        self.talks(self.connect(target))
        self.assertEqual((1008, 'Token is used up.'), self.refused(target))

    def test_one_for_somebody_elsewhere(self) -> None:
        """Behind a load balancer, which says who somebody is."""
        self.start(
            consoleauth={'bind_to_client_address': True},
            enable_proxy_headers_parsing=True,
        )
        target = f'?token={self.token()}'
        self.talks(
            self.connect(
                target,
                additional_headers={
                    'X-Forwarded-For': '198.51.100.9, 127.0.0.1'
                },
            )
        )
        self.assertEqual(
            (1008, 'Token was issued to another address.'),
            self.refused(
                target, additional_headers={'X-Forwarded-For': '198.51.100.9'}
            ),
        )


class OriginTest(ProxyTest):
    def allows(self, origin: str, **headers: str) -> bool:
        try:
            connection = self.connect(
                origin=origin,  # type: ignore[arg-type]
                additional_headers={
                    name.replace('_', '-'): value
                    for name, value in headers.items()
                },
            )
        except InvalidStatus as error:
            self.assertEqual(403, error.response.status_code)
            return False
        self.talks(connection)
        return True

    def test_which_pages_open_consoles(self) -> None:
        self.start(allowed_origins='dashboard.example.org')
        own = f'http://127.0.0.1:{self.proxy.port}'
        for origin, allowed in (
            (own, True),
            ('http://127.0.0.1', True),
            ('http://dashboard.example.org', True),
            ('https://127.0.0.1', False),
            ('http://evil.example.org', False),
            ('http://127.0.0.1.example.org', False),
            ('http://dashboard.example.org.evil.example.org', False),
            ('null', False),
            ('http://', False),
            ('http://[', False),
        ):
            self.assertEqual(allowed, self.allows(origin), origin)
        # Nobody vouches for this header.
        self.assertFalse(
            self.allows('https://127.0.0.1', X_Forwarded_Proto='https')
        )

    def test_behind_a_load_balancer_that_speaks_tls(self) -> None:
        self.start(enable_proxy_headers_parsing=True)
        for origin, scheme, allowed in (
            ('https://127.0.0.1', 'https', True),
            ('http://127.0.0.1', 'https', False),
            ('http://127.0.0.1', 'http', True),
        ):
            self.assertEqual(
                allowed, self.allows(origin, X_Forwarded_Proto=scheme)
            )


class ConsoleTest(ProxyTest):
    """What consoles do to the proxy."""

    NO_ANSWER = (1014, 'The hypervisor does not answer.')

    def test_nobody_listens(self) -> None:
        self.start()
        self.place(process.free_port())
        self.assertEqual(self.NO_ANSWER, self.closed(self.connect()))
        self.wait_for_no_session()

    def test_a_type_that_no_browser_speaks(self) -> None:
        self.start()
        self.assertEqual(
            (
                1008,
                'This proxy does not serve consoles of the type rdp-html5.',
            ),
            self.refused(f'?token={self.token("rdp", "rdp-html5")}'),
        )
        self.wait_for_no_session()

    def test_an_access_path(self) -> None:
        asked = []

        def serve(connection: socket.socket) -> None:
            asked.append(consoles.heard(connection, b'\r\n\r\n'))
            connection.sendall(b'HTTP/1.1 200 OK\r\nX: y\r\n\r\nwelcome')
            consoles.echo(connection)

        self.start(serve, path='a-path')
        connection = self.connect()
        self.assertEqual(b'welcome', connection.recv(process.PATIENCE))
        self.talks(connection)
        self.assertEqual([b'CONNECT a-path HTTP/1.1\r\n\r\n'], asked)

    def test_a_path_that_is_refused(self) -> None:
        for answer in (
            b'HTTP/1.1 404 Not Found\r\n\r\n',
            b'220 smtp.example.org ESMTP\r\n\r\n',
            b'x' * 5000,
        ):

            def serve(
                connection: socket.socket, answer: bytes = answer
            ) -> None:
                consoles.heard(connection, b'\r\n\r\n')
                connection.sendall(answer)
                consoles.hang(connection)

            self.start(serve, path='a-path')
            self.assertEqual(
                (1014, 'The hypervisor does not know this console.'),
                self.closed(self.connect()),
            )

    def test_one_that_says_nothing(self) -> None:
        self.start(consoles.hang, path='a-path', handshake_timeout=1)
        self.assertEqual(self.NO_ANSWER, self.closed(self.connect()))
        self.wait_for_no_session()

    def test_a_slow_browser(self) -> None:
        """What it does not read, is not read from the console."""
        sent = [0]

        def flood(connection: socket.socket) -> None:
            piece = bytes(65536)
            while True:
                sent[0] += connection.send(piece)

        self.start(flood, ping_interval=0)
        connection = self.connect(max_queue=1)
        connection.recv(process.PATIENCE)
        process.wait_for(lambda: _settled(lambda: sent[0]), 'a full line')
        # Buffers of four sockets, and little besides.
        self.assertLess(sent[0], 40 * 2**20)
        connection.close()
        self.wait_for_no_session()

    def test_a_slow_console(self) -> None:
        """Nor is the browser, while the console does not read."""
        free = threading.Event()
        self.start(lambda connection: free.wait() and None, ping_interval=2)
        # Before the proxy is stopped, which would wait for the session.
        self.addCleanup(free.set)
        connection = self.connect()
        sent = [0]

        def flood() -> None:
            with contextlib.suppress(ConnectionClosed):
                while True:
                    connection.send(bytes(65536))
                    sent[0] += 65536

        threading.Thread(target=flood, daemon=True).start()
        process.wait_for(lambda: _settled(lambda: sent[0]), 'a full line')
        self.assertLess(sent[0], 40 * 2**20)


class LifeTest(ProxyTest):
    """Signals, processes and what the machine is told."""

    def test_drain(self) -> None:
        self.start(drain_timeout=4, workers=2)
        connection = self.connect()
        self.talks(connection)
        self.assertEqual(200, self.proxy.local('/healthcheck').status_code)
        self.proxy.process.signal(signal.SIGTERM)
        process.wait_for(
            lambda: not process.listens(self.proxy.port), 'the drain'
        )
        self.talks(connection)
        self.assertEqual(
            (1001, 'This console proxy is going down.'),
            self.closed(connection),
        )
        self.assertEqual(0, self.proxy.process.wait())
        self.wait_for_no_session()

    def test_drain_is_over_with_the_last_session(self) -> None:
        self.start(drain_timeout=600)
        connection = self.connect()
        self.talks(connection)
        self.proxy.process.signal(signal.SIGTERM)
        process.wait_for(
            lambda: self.proxy.local('/healthcheck').status_code == 503,
            'the drain',
        )
        connection.close()
        self.assertEqual(0, self.proxy.process.wait())

    def test_a_worker_dies(self) -> None:
        self.start(workers=2)
        self.talks(self.connect())
        pids = process.children(self.proxy.process.pid)
        self.assertEqual(2, len(pids))
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        process.wait_for(
            lambda: (
                len(process.children(self.proxy.process.pid) - pids) == 2
                and process.listens(self.proxy.port)
            ),
            'new workers',
        )
        self.talks(self.connect())
        # What the dead had, nobody has.
        process.wait_for(
            lambda: self.proxy.metrics()['console_svc_proxy_sessions'] == 1,
            'the figures',
        )

    def test_figures_of_all_workers(self) -> None:
        self.start(workers=2)
        connections = [self.connect() for _ in range(6)]
        for connection in connections:
            self.talks(connection)
        self.refused('?token=unknown')
        opened = 'console_svc_proxy_sessions_opened_total'
        expected = {
            'console_svc_proxy_sessions': 6,
            f'{opened}{{console_type="serial"}}': 6,
            'console_svc_proxy_refused_total{code="1008"}': 1,
            'console_svc_proxy_bytes_total{direction="from_client"}': 12,
            'console_svc_proxy_bytes_total{direction="to_client"}': 12,
            'console_svc_proxy_set_up_seconds_count': 6,
        }
        process.wait_for(
            lambda: expected.items() <= self.proxy.metrics().items(),
            'the figures',
        )
        self.assertEqual(404, self.proxy.local('/').status_code)
        connections[0].close()
        process.wait_for(
            lambda: self.proxy.metrics()['console_svc_proxy_sessions'] == 5,
            'the figures',
        )

    def test_tls(self) -> None:
        folder = pathlib.Path(
            self.useFixture(fixtures.fixtures.TempDir()).path
        )
        certificates.write(folder)
        self.start(
            cert=folder / 'server-cert.pem',
            key=folder / 'server-key.pem',
            ssl_minimum_version='tlsv1_3',
        )

        def trusting(ca: str) -> ssl.SSLContext:
            return ssl.create_default_context(cafile=ca)

        first = (folder / 'ca-cert.pem').read_text()
        (folder / 'first-ca.pem').write_text(first)
        before = self.connect(ssl=trusting(str(folder / 'first-ca.pem')))
        self.talks(before)
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname = False
        old.verify_mode = ssl.CERT_NONE
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        self.assertRaises(ssl.SSLError, self.connect, ssl=old)
        # Half a pair is no certificate: the old one stays.
        key = (folder / 'server-key.pem').read_text()
        certificates.write(folder)
        new_key = (folder / 'server-key.pem').read_text()
        (folder / 'server-key.pem').write_text(key)
        self.proxy.process.signal(signal.SIGHUP)
        process.wait_for(
            lambda: 'the old one stays' in self.proxy.log.read_text(),
            'the proxy to read it',
        )
        self.talks(self.connect(ssl=trusting(str(folder / 'first-ca.pem'))))
        (folder / 'server-key.pem').write_text(new_key)
        self.proxy.process.signal(signal.SIGHUP)
        after = trusting(str(folder / 'ca-cert.pem'))

        def renewed() -> bool:
            with contextlib.suppress(ssl.SSLError, ConnectionClosed):
                self.talks(self.connect(ssl=after))
                return True
            return False

        process.wait_for(renewed, 'the new certificate')
        self.talks(before)

    def test_it_does_not_start_with_what_is_wrong(self) -> None:
        for options, reason in (
            ({'cert': '/nonexistent.pem'}, '/nonexistent.pem'),
            ({'ports': 'all'}, 'ports'),
            ({'ports': '6080,6080'}, 'Port 6080 is configured twice'),
            ({'console_api': {'timeout': 10}}, 'auth_type'),
            ({'console_api': {'auth_type': 'password'}}, 'auth_url'),
            (
                {'vnc': {'auth_schemes': 'vencrypt'}},
                '/etc/pki/console-svc-proxy/ca-cert.pem',
            ),
        ):
            proxy = Proxy(self.shared, **options)
            error = self.assertRaises(MultipleExceptions, proxy.setUp)
            self.assertIn('has ended', str(error))
            self.assertIn(reason, str(error))
            self.assertNotIn('Traceback (most', str(error))


class PagesTest(ProxyTest):
    def test_pages(self) -> None:
        folder = pathlib.Path(
            self.useFixture(fixtures.fixtures.TempDir()).path
        )
        for name in ('one', 'two'):
            (folder / name).mkdir()
        (folder / 'secret.html').write_text('secret')
        (folder / 'one/vnc.html').write_text('<p>one</p>')
        (folder / 'two/vnc.html').write_text('<p>two</p>')
        (folder / 'two/core.js').write_text('export {}')
        (folder / 'one/link.html').symlink_to(folder / 'secret.html')
        self.start(web=f'{folder}/one,{folder}/two')
        for path, status, kind, text in (
            ('/vnc.html?token=x', 200, 'text/html', '<p>one</p>'),
            ('/core.js', 200, 'text/javascript', 'export {}'),
            ('/', 404, 'text/plain; charset=utf-8', None),
            ('/nothing', 404, 'text/plain; charset=utf-8', None),
            ('/../secret.html', 404, 'text/plain; charset=utf-8', None),
            ('/%2e%2e/secret.html', 404, 'text/plain; charset=utf-8', None),
            ('/link.html', 404, 'text/plain; charset=utf-8', None),
            (
                f'//{folder}/secret.html',
                404,
                'text/plain; charset=utf-8',
                None,
            ),
            ('/%00', 404, 'text/plain; charset=utf-8', None),
        ):
            answer = self.get(path)
            self.assertEqual(status, answer.status, path)
            self.assertEqual(kind, answer.headers['Content-Type'])
            self.assertEqual('no-referrer', answer.headers['Referrer-Policy'])
            if text is not None:
                self.assertEqual(text, answer.read().decode())

    def get(self, path: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection('127.0.0.1', self.proxy.port)
        self.addCleanup(connection.close)
        connection.request('GET', path)
        return connection.getresponse()


def _settled(figure: Any) -> bool:
    """Whether a figure does not grow for a while."""
    before = figure()
    time.sleep(1.5)
    return bool(before and figure() == before)
