# SPDX-License-Identifier: Apache-2.0

"""Sessions: relayed, kept alive, ended and limited."""

import io
import signal
import threading
from collections.abc import Iterable
from typing import ClassVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import sqlalchemy as sa
from websockets.exceptions import ConnectionClosed
from websockets.sync import client
from websockets.sync.client import ClientConnection

from console_svc.db import tables
from console_svc.tests import fixtures
from console_svc.tests.functional.proxy.base import (
    LAPSE,
    SERVER,
    ProxyTest,
)
from console_svc.tests.programs import process
from console_svc.tests.programs.proxy import Proxy
from console_svc.tests.programs.service import Service, is_close

ENDED = (1008, 'The session was ended.')


class SessionTest(ProxyTest):
    def test_bytes_pass_both_ways(self) -> None:
        self.console()
        connection = self.connect()
        self.assertEqual('binary', connection.subprotocol)
        self.check_echo(connection, bytes(range(256)) * 4096)
        connection.send(b'')
        self.check_echo(connection)

    def test_console_that_closes_ends_the_session(self) -> None:
        self.console(lambda connection: connection.sendall(b'bye'))
        connection = self.connect()
        self.assertEqual(b'bye', connection.recv(process.PATIENCE))
        self.assertEqual(
            (1000, 'The console has ended.'), self.closed(connection)
        )
        self.wait_for_no_session()

    def test_ending_a_session_closes_its_websocket(self) -> None:
        self.console()
        connection = self.connect()
        self.check_echo(connection)
        (session,) = self.sessions()
        other = self.connect()
        self.check_echo(other)
        self.end(session)
        self.assertEqual(ENDED, self.closed(connection))
        self.check_echo(other)

    def test_revoking_a_token_ends_its_sessions(self) -> None:
        self.console()
        connection = self.connect()
        self.check_echo(connection)
        self.service.request(
            'DELETE', f'{SERVER}/console-auth-tokens', fixtures.MEMBER
        )
        self.assertEqual(ENDED, self.closed(connection))

    def test_forwarded_address_is_ignored_by_default(self) -> None:
        self.console()
        connection = self.connect(
            additional_headers={'X-Forwarded-For': '198.51.100.9'}
        )
        self.check_echo(connection)
        (session,) = self.sessions()
        self.assertEqual('127.0.0.1', session['client_address'])

    def test_channels_of_a_spice_page_are_sessions_of_one_token(self) -> None:
        self.console(kind='spice-html5')
        target = f'?token={self.token("spice", "spice-html5")}'
        channels = [self.connect(target) for _ in range(4)]
        # As many bytes as the header of a link has.
        for channel in channels:
            self.check_echo(channel, bytes(16))
        self.assertEqual(
            [('spice-html5', '127.0.0.1')] * 4,
            [
                (it['console_type'], it['client_address'])
                for it in self.sessions()
            ],
        )
        channels.pop().close()
        process.wait_for(lambda: len(self.sessions()) == 3, 'one to end')
        self.check_echo(channels[0])


class ExpiryTest(ProxyTest):
    CONSOLEAUTH = {'token_ttl': 5, 'enforce_session_timeout': True}

    def test_session_expires_with_its_token(self) -> None:
        self.console()
        connection = self.connect()
        self.check_echo(connection)
        self.assertEqual(
            (1008, 'The session has expired.'), self.closed(connection)
        )


class IdleTest(ProxyTest):
    PROXY = {'idle_timeout': 2}

    def test_only_idle_sessions_time_out(self) -> None:
        self.console()
        busy, idle = self.connect(), self.connect()
        self.check_echo(idle)
        process.wait_for(
            lambda: self.check_echo(busy) or self.is_closed(idle),
            'the time-out',
        )
        timed_out = (1008, 'The session was idle for too long.')
        self.assertEqual(timed_out, self.closed(idle))
        self.check_echo(busy)
        self.assertEqual(timed_out, self.closed(busy))

    def is_closed(self, connection: ClientConnection) -> bool:
        try:
            connection.recv(0.05)
        except TimeoutError:
            return False
        except ConnectionClosed:
            return True
        raise AssertionError('an idle console sends nothing')


class LimitTest(ProxyTest):
    PROXY = {'max_sessions': 2}

    def test_sessions_beyond_the_limit_are_refused(self) -> None:
        self.console()
        first, second = self.connect(), self.connect()
        self.check_echo(first)
        self.check_echo(second)
        full = (1013, 'This console proxy has too many sessions.')
        self.assertEqual(full, self.closed(self.connect()))
        first.close()
        process.wait_for(lambda: len(self.sessions()) == 1, 'room')
        self.check_echo(self.connect())


class KeepAliveTest(ProxyTest):
    CONSOLEAUTH = {'session_lapse': LAPSE}

    def alive_until(self) -> int:
        """When the process of the proxy lapses, unless it is kept alive."""
        with self.service.database.engine.connect() as connection:
            found: int | None = connection.execute(
                sa.select(sa.func.max(tables.console_proxies.c.alive_until))
            ).scalar_one()
        return found or 0

    def test_session_is_listed_and_kept_alive(self) -> None:
        self.console()
        connection = self.connect()
        self.check_echo(connection)
        (session,) = self.sessions()
        self.assertEqual('127.0.0.1', session['client_address'])
        self.assertEqual('serial', session['console_type'])
        first = self.alive_until()
        process.wait_for(
            lambda: self.alive_until() > first + LAPSE, 'keep-alive requests'
        )
        self.assertEqual([session], self.sessions())
        connection.close()
        self.wait_for_no_session()

    def test_sessions_survive_an_unavailable_api(self) -> None:
        """They are listed again once the API is back."""
        self.console()
        connection = self.connect()
        self.check_echo(connection)
        before = self.sessions()
        self.service.stop()
        self.assertEqual(
            (1013, 'The console service is unavailable. Try again later.'),
            self.refused(f'?token={"x" * 43}'),
        )
        # A failure a second: by then the session has lapsed.
        process.wait_for(
            lambda: self.failures() > LAPSE, 'failed keep-alive requests'
        )
        self.check_echo(connection)
        self.service.start()
        process.wait_for(lambda: self.sessions() == before, 'the session')
        self.check_echo(connection)

    def test_sessions_of_a_killed_proxy_lapse(self) -> None:
        self.console()
        living = self.connect()
        self.check_echo(living)
        before = self.sessions()
        other = self.useFixture(Proxy(self.service, keep_interval=1))
        connection = self.connect_to(other)
        first = self.alive_until()
        process.wait_for(
            lambda: self.alive_until() > first + 1, 'keep-alive requests'
        )
        self.assertEqual(2, len(self.sessions()))
        other.process.signal_all(signal.SIGKILL)
        self.assertRaises(ConnectionClosed, connection.recv, process.PATIENCE)
        process.wait_for(
            lambda: self.sessions() == before, 'the session to lapse'
        )
        self.check_echo(living)

    def connect_to(self, proxy: Proxy) -> ClientConnection:
        """A websocket of another proxy."""
        connection = client.connect(
            f'{proxy.url}?token={self.token()}', subprotocols=['binary']
        )
        self.addCleanup(connection.close)
        self.check_echo(connection)
        return connection

    def test_session_that_is_deleted_ends(self) -> None:
        """Hosts of the previous version delete its row."""
        self.console()
        connection, other = self.connect(), self.connect()
        self.check_echo(connection)
        first = self.alive_until()
        process.wait_for(
            lambda: self.alive_until() > first, 'keep-alive requests'
        )
        oldest, _ = self.sessions()
        with self.service.database.writing() as transaction:
            columns = tables.console_sessions.c
            transaction.execute(
                tables.console_sessions.delete().where(
                    columns.session_id == oldest['id']
                )
            )
        self.assertEqual(ENDED, self.closed(connection))
        self.check_echo(other)

    def failures(self) -> float:
        metrics = self.proxy.metrics()
        return metrics['console_svc_proxy_api_failures_total']


class HoldingService(Service):
    """An API that can hold the requests to close one session."""

    passes: ClassVar[threading.Event] = threading.Event()
    #: The requests that close sessions.
    closes: ClassVar[list[str]] = []

    def wrapped(self, application: WSGIApplication) -> WSGIApplication:
        application = super().wrapped(application)

        def holding(
            environ: WSGIEnvironment, start_response: StartResponse
        ) -> Iterable[bytes]:
            if is_close(environ):
                self.closes.append(environ['REQUEST_METHOD'])
                self.passes.wait(process.PATIENCE)
            return application(environ, start_response)

        return holding


class CloseTest(ProxyTest):
    SERVICE = HoldingService
    REQUESTS: ClassVar[list[str]] = ['PUT', 'PUT']

    def setUp(self) -> None:
        super().setUp()
        HoldingService.closes.clear()
        HoldingService.passes.clear()
        self.addCleanup(HoldingService.passes.set)

    def test_sessions_that_end_during_a_close_are_closed_at_once(
        self,
    ) -> None:
        self.console()
        first, *others = [self.connect() for _ in range(6)]
        for connection in (first, *others):
            self.check_echo(connection)
        first.close()
        process.wait_for(lambda: HoldingService.closes, 'the first close')
        for connection in others:
            connection.close()
        process.wait_for(
            lambda: self.proxy.metrics()['console_svc_proxy_sessions'] == 0,
            'the others to end',
        )
        self.assertEqual(6, len(self.sessions()))
        self.assertEqual(['PUT'], HoldingService.closes)
        HoldingService.passes.set()
        self.wait_for_no_session()
        self.assertEqual(self.REQUESTS, HoldingService.closes)


class OlderService(Service):
    """An API of the previous version, which does not know processes.

    It closes one session with each request.
    """

    def wrapped(self, application: WSGIApplication) -> WSGIApplication:
        def older(
            environ: WSGIEnvironment, start_response: StartResponse
        ) -> Iterable[bytes]:
            body = environ['wsgi.input'].read(
                int(environ.get('CONTENT_LENGTH') or 0)
            )
            # A schema that the body does not match.
            body = body.replace(b'proxy_id', b'unknown')
            body = body.replace(b'"closed"', b'"unknown"')
            environ['wsgi.input'] = io.BytesIO(body)
            environ['CONTENT_LENGTH'] = str(len(body))
            return application(environ, start_response)

        return older


class OlderApiTest(ProxyTest):
    SERVICE = OlderService
    CONSOLEAUTH = {'session_lapse': LAPSE}

    def alive_until(self) -> int:
        """When the only session lapses, unless it is kept alive."""
        with self.service.database.engine.connect() as connection:
            found: int = connection.execute(
                sa.select(sa.func.max(tables.console_sessions.c.alive_until))
            ).scalar_one()
        return found

    def test_each_session_is_kept_alive(self) -> None:
        self.console()
        connection = self.connect()
        self.check_echo(connection)
        (session,) = self.sessions()
        first = self.alive_until()
        process.wait_for(
            lambda: self.alive_until() > first + LAPSE, 'keep-alive requests'
        )
        self.assertEqual([session], self.sessions())
        self.end(session)
        self.assertEqual(ENDED, self.closed(connection))


class OlderHoldingService(HoldingService, OlderService):
    """Both of them."""


class OlderCloseTest(CloseTest):
    SERVICE = OlderHoldingService
    REQUESTS = ['PUT', *['DELETE'] * 6]
