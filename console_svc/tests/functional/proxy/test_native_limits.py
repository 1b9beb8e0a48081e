# SPDX-License-Identifier: Apache-2.0

"""Limits of native clients: TLS, passwords, failures and addresses."""

import logging
import socket
import time
from concurrent import futures

import fixtures as fixtures_

from console_svc.compute.libvirt.vnc import Connection
from console_svc.protocols import rfb
from console_svc.tests import fixtures
from console_svc.tests.functional.proxy.native import (
    FAILED,
    NativeClientsTest,
)
from console_svc.tests.programs import bad_input, process
from console_svc.tests.programs.gateway import desktop


class WithoutCertificateTest(NativeClientsTest):
    GATEWAY = {'tls': False}

    def test_tls_is_not_offered(self) -> None:
        self.check_accepted()
        self.refused('it offers security types [2] alone', rfb.VENCRYPT)


class RequiredTLSTest(NativeClientsTest):
    GATEWAY = {'rfb_options': {'require_tls': True}}

    def test_clients_without_tls_are_refused(self) -> None:
        self.check_accepted(rfb.VENCRYPT)
        self.refused('it offers security types [19] alone')


class SingleUseTest(NativeClientsTest):
    GATEWAY = {'consoles': {'native_max_uses': 1}}

    def test_used_up_console_refuses_its_password(self) -> None:
        self.check_accepted()
        self.refused('Console is used up.')
        self.wait_for_outcomes(accepted=1, refused=1)


class FullConsoleTest(NativeClientsTest):
    GATEWAY = {'consoleauth': {'max_sessions_per_server': 1}}

    def test_refusal_names_the_holder(self) -> None:
        stream, line = self.log_in(
            self.console['port'], self.console['password']
        )
        desktop(line)
        (session,) = self.gateway.sessions()
        since = time.strftime(
            '%Y-%m-%d %H:%M UTC', time.gmtime(session['created_at'])
        )
        self.refused(f'Used by user {session["user_id"]} since {since}.')
        stream.close()


class BoundConsoleTest(NativeClientsTest):
    GATEWAY = {
        'consoles': {'bind_to_client_address': True},
        'oslo_middleware': {'enable_proxy_headers_parsing': True},
    }

    def test_password_is_good_for_one_address_only(self) -> None:
        self.check_accepted()
        self.gateway.close(self.console)
        self.gateway.service.request(
            'POST',
            f'/v2.1/servers/{fixtures.SERVER}/consoles',
            fixtures.MEMBER,
            headers={'X-Forwarded-For': '192.0.2.1'},
        )
        self.console = self.gateway.open()
        self.refused(FAILED)


class ExpiringConsoleTest(NativeClientsTest):
    GATEWAY = {'consoles': {'native_ttl': 4}}

    def test_expired_console_refuses_its_password(self) -> None:
        self.check_accepted()
        time.sleep(4)
        self.refused(FAILED)


class LockTest(NativeClientsTest):
    GATEWAY = {'rfb_options': {'max_failures': 3, 'lock_time': 5}}

    def test_wrong_passwords_delay_and_lock(self) -> None:
        events = self.useFixture(
            fixtures_.FakeLogger('console_svc.audit', level=logging.INFO)
        )
        # Seconds at least: each answer is delayed twice as long.
        for delay in 1, 2:
            began = time.monotonic()
            self.check_refused(FAILED, self.console['port'], 'guess')
            self.assertGreaterEqual(time.monotonic() - began, delay)
        locked = 'Too many wrong passwords. Try again later.'
        began = time.monotonic()
        with futures.ThreadPoolExecutor(1) as pool:
            guess = pool.submit(
                self.check_refused, locked, self.console['port'], 'guess'
            )
            self.wait_for_outcomes(failed=2, locked=1)
            self.refused(locked)
            guess.result()
        # The answers come with the end of the lock.
        self.assertGreaterEqual(time.monotonic() - began, 3)
        self.assertEqual({'failed': 2, 'locked': 2}, self.gateway.outcomes())
        self.assertIn('console_gateway.authenticate', events.output)
        self.check_accepted()


class WaitingClientTest(NativeClientsTest):
    """A client that waits for the answer to its wrong password."""

    GATEWAY = {
        'rfb_options': {
            'max_connections_per_address': 1,
            'max_failures': 1,
            'lock_time': 1000,
        }
    }

    def test_client_that_disconnects_frees_its_place(self) -> None:
        stream = self.connect(self.console['port'])
        guess = Connection(stream, 'guess')
        with futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(guess.perform, rfb.log_in((rfb.VNC,)))
            # The answer would come in 30 seconds.
            self.wait_for_outcomes(locked=1)
            self.assertFalse(waiting.done())
            stream.shutdown(socket.SHUT_RDWR)
            self.assertIsNotNone(waiting.exception())
        process.wait_for(
            lambda: (
                'session closed: The client closed the connection.'
                in self.gateway.proxy.log.read_text()
            ),
            'the end of the wait',
        )


class AddressLimitTest(NativeClientsTest):
    GATEWAY = {'rfb_options': {'max_connections_per_address': 3}}

    def test_connections_beyond_the_limit_are_closed(self) -> None:
        port = self.console['port']
        streams = [bad_input.connect(port) for _ in range(3)]
        for stream in streams:
            self.addCleanup(stream.close)
            self.assertEqual(b'RFB 003.008\n', stream.recv(12))
        self.assertTrue(self.is_crowded(port))
        # The limit holds for all ports together.
        self.assertTrue(self.is_crowded(self.gateway.shared_port))
        self.wait_for_outcomes(crowded=2)
        self.assertIn(
            'There are too many connections of native clients: one from '
            '127.0.0.1 was reset. This worker has 3, and 3 of them',
            self.gateway.proxy.log.read_text(),
        )
        streams.pop().close()
        self.wait_for_outcomes(broken=1)
        process.wait_for(
            lambda: not self.is_crowded(port), 'room for one more'
        )

    def is_crowded(self, port: int) -> bool:
        """Whether a new connection is reset."""
        with bad_input.connect(port) as stream:
            try:
                return not stream.recv(12)
            except OSError:
                return True
