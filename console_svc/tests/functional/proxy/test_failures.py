# SPDX-License-Identifier: Apache-2.0

"""Failures that the proxy does not expect, and clocks that are wrong."""

from typing import Any

import requests
from websockets.frames import Opcode

from console_svc.tests import fixtures
from console_svc.tests.functional.proxy.base import NO_ANSWER, ProxyTest
from console_svc.tests.programs import faults, process
from console_svc.tests.programs.faults import Faults

FAILED = (1011, 'The console proxy failed unexpectedly.')
KEEP_FAILS = 'Background tasks fail, see the log: keep\n'
UNEXPECTED = 'console_svc_proxy_unexpected_errors_total'


class FaultTest(ProxyTest):
    """Each test has a proxy of its own."""

    @classmethod
    def start_proxy(cls) -> None:
        pass

    def setUp(self) -> None:
        super().setUp()
        self.console()
        self.faults = self.useFixture(Faults())

    def start(self, **options: Any) -> None:
        super().start(environment=self.faults.environment, **options)

    def check_log(self) -> None:
        """Check that the log has a traceback of each failure."""
        log = self.proxy.log.read_text()
        self.assertIn('RuntimeError: injected by a test', log)

    def count(self, where: str) -> float:
        """The number of unexpected errors."""
        name = f'{UNEXPECTED}{{where="{where}"}}'
        return self.proxy.metrics().get(name, 0)

    def health(self) -> tuple[int, str]:
        """The health check's answer; (0, '') between two workers."""
        try:
            answer = self.proxy.local('/healthcheck')
        except requests.ConnectionError:
            return 0, ''
        return answer.status_code, answer.text

    def test_worker_whose_keep_alive_fails_is_replaced(self) -> None:
        self.start()
        connection = self.connect()
        self.check_echo(connection)
        (worker,) = process.children(self.proxy.process.pid)
        self.faults.inject(faults.KEEP)
        process.wait_for(
            lambda: self.health() == (503, KEEP_FAILS), 'a failed check'
        )
        self.assertLessEqual(1, self.count('keep'))
        self.assertEqual(
            (1001, 'This console proxy is going down.'),
            self.closed(connection),
        )
        self.faults.clear(faults.KEEP)
        process.wait_for(
            lambda: (
                process.children(self.proxy.process.pid) - {worker}
                and self.health() == (200, 'OK\n')
            ),
            'another worker',
        )
        self.check_echo(self.connect())

    def test_failure_before_the_relay_is_named(self) -> None:
        self.start()
        self.faults.inject(faults.CONNECT)
        self.assertEqual(FAILED, self.closed(self.connect()))
        self.assertEqual(1, self.count('browser'))
        self.wait_for_no_session()

    def test_failure_in_the_relay_is_named(self) -> None:
        self.start()
        connection = self.connect()
        self.check_echo(connection)
        self.faults.inject(faults.RELAY)
        connection.send(b'ends the read that waits')
        self.assertEqual(FAILED, self.closed(connection))
        self.assertEqual(1, self.count('browser'))
        self.wait_for_no_session()


class ClockTest(ProxyTest):
    """The proxy's clock is 20 minutes ahead of the API's."""

    CONSOLEAUTH = {'token_ttl': 600, 'enforce_session_timeout': True}

    @classmethod
    def start_proxy(cls) -> None:
        clock = Faults(ahead=1200)
        clock.setUp()
        cls.addClassCleanup(clock.cleanUp)
        cls.PROXY = {'environment': clock.environment}
        super().start_proxy()

    def test_session_continues(self) -> None:
        self.console()
        connection = self.connect()
        self.check_echo(connection)
        # Set by the keep-alive; the first one follows an expiry check.
        process.wait_for(lambda: self.proxy.tasks() > 0, 'a keep-alive')
        (session,) = self.sessions()
        self.check_echo(connection)
        self.assertIsNotNone(session['expires'])

    def test_session_expires_by_the_clock_of_the_api(self) -> None:
        self.service.conf.set_override('token_ttl', 3, 'consoleauth')
        self.addCleanup(
            self.service.conf.clear_override, 'token_ttl', 'consoleauth'
        )
        self.console()
        self.assertEqual(
            (1008, 'The session has expired.'), self.closed(self.connect())
        )


class UnusualTest(ProxyTest):
    PROXY = {'ping_interval': 1}

    def test_host_name_that_cannot_be_looked_up(self) -> None:
        for name in 'a..b', 'x' * 64:
            document = fixtures.inventory()
            document['servers'][0]['consoles'] = [
                {'type': 'serial', 'host': name, 'port': 5900}
            ]
            self.service.write_inventory(document)
            self.assertEqual(NO_ANSWER, self.closed(self.connect()))
            self.assertIn(
                f'Cannot connect to the console at {name} port 5900',
                self.proxy.log.read_text(),
            )

    def test_unanswered_ping_is_named(self) -> None:
        self.console()
        connection = self.connect()
        self.check_echo(connection)
        send = connection.protocol.send_frame
        connection.protocol.send_frame = (  # type: ignore[method-assign]
            lambda frame: frame.opcode is Opcode.PONG or send(frame)
        )
        self.assertEqual(1011, self.closed(connection)[0])
        process.wait_for(
            lambda: (
                'session closed: The browser did not answer a ping.'
                in self.proxy.log.read_text()
            ),
            'the log',
        )
        refused = 'console_svc_proxy_refused_total{code="1011"}'
        self.assertEqual(1, self.proxy.metrics()[refused])
