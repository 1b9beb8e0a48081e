# SPDX-License-Identifier: Apache-2.0

"""What the proxy reports to the history of sessions."""

import signal
import socket
from typing import Any

from console_svc.tests import fixtures
from console_svc.tests.functional.proxy.base import (
    NO_ANSWER,
    SESSIONS,
    ProxyTest,
)
from console_svc.tests.programs import process


class History(ProxyTest):
    def ended(self, reason: str) -> dict[str, Any]:
        """Return the session that ended last, once it has."""
        self.wait_for_no_session()
        answer = self.service.request(
            'GET', f'{SESSIONS}?status=ended&limit=1', fixtures.MEMBER
        )
        (session,) = answer.json()['console_sessions']
        self.assertEqual(reason, session['end_reason'])
        found: dict[str, Any] = session
        return found

    def bytes_of(self, session: dict[str, Any]) -> tuple[int, int]:
        return session['received'], session['sent']


class HistoryTest(History):
    def test_client_closes(self) -> None:
        self.console(lambda it: it.sendall(b'welcome') or it.recv(9))
        connection = self.connect()
        self.assertEqual(b'welcome', connection.recv(process.PATIENCE))
        connection.close()
        self.assertEqual((0, 7), self.bytes_of(self.ended('client_closed')))

    def test_server_closes(self) -> None:
        def answer(connection: socket.socket) -> None:
            connection.recv(2)
            connection.sendall(b'bye')

        self.console(answer)
        connection = self.connect()
        connection.send(b'hi')
        self.closed(connection)
        self.assertEqual((2, 3), self.bytes_of(self.ended('server_closed')))

    def test_hypervisor_that_does_not_answer(self) -> None:
        with socket.socket() as unused:
            unused.bind(('127.0.0.1', 0))
            self.place(unused.getsockname()[1])
            self.assertEqual(NO_ANSWER, self.closed(self.connect()))
        self.assertEqual((0, 0), self.bytes_of(self.ended('error')))

    def test_session_that_was_ended_gets_its_bytes(self) -> None:
        self.console()
        connection = self.connect()
        self.check_echo(connection, b'hi')
        self.end(*self.sessions())
        self.closed(connection)
        process.wait_for(
            lambda: self.bytes_of(self.ended('ended')) == (2, 2),
            'the proxy to report',
        )


class IdleHistoryTest(History):
    PROXY = {'idle_timeout': 1}

    def test_idle_session(self) -> None:
        self.console()
        self.closed(self.connect())
        self.ended('idle')


class DrainHistoryTest(History):
    PROXY = {'drain_timeout': 0}

    def test_proxy_that_is_stopped(self) -> None:
        self.console()
        connection = self.connect()
        self.check_echo(connection, b'hi')
        self.proxy.process.signal(signal.SIGTERM)
        self.closed(connection)
        self.assertEqual((2, 2), self.bytes_of(self.ended('drained')))
