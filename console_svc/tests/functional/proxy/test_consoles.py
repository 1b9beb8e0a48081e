# SPDX-License-Identifier: Apache-2.0

"""Consoles that are unreachable, refuse, or do not keep up."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable

from websockets.exceptions import ConnectionClosed

from console_svc.tests.functional.proxy.base import NO_ANSWER, ProxyTest
from console_svc.tests.programs import consoles, process

#: Bytes: the buffers of four sockets, and little more.
BUFFERS = 40 * 2**20


class ConsoleTest(ProxyTest):
    def test_unreachable_console(self) -> None:
        port = process.free_port()
        self.place(port)
        self.assertEqual(NO_ANSWER, self.closed(self.connect()))
        self.wait_for_no_session()

    def test_console_type_that_browsers_cannot_use(self) -> None:
        self.console(kind='spice-direct')
        self.assertEqual(
            (
                1008,
                'This proxy does not serve consoles of the type spice-direct.',
            ),
            self.refused(f'?token={self.token("spice", "spice-direct")}'),
        )
        self.wait_for_no_session()

    def test_access_path_is_requested(self) -> None:
        asked = []

        def serve(connection: socket.socket) -> None:
            asked.append(consoles.heard(connection, b'\r\n\r\n'))
            connection.sendall(b'HTTP/1.1 200 OK\r\nX: y\r\n\r\nwelcome')
            consoles.echo(connection)

        self.console(serve, path='a-path')
        connection = self.connect()
        self.assertEqual(b'welcome', connection.recv(process.PATIENCE))
        self.check_echo(connection)
        self.assertEqual([b'CONNECT a-path HTTP/1.1\r\n\r\n'], asked)

    def test_answers_to_the_request_of_an_access_path(self) -> None:
        for answer in (
            b'HTTP/1.1 200\r\n\r\n',
            b'HTTP/1.1 200 \r\n\r\n',
            b'HTTP/1.0 200 Connection established\r\n\r\n',
        ):

            def serve(
                connection: socket.socket, answer: bytes = answer
            ) -> None:
                consoles.heard(connection, b'\r\n\r\n')
                connection.sendall(answer)
                consoles.echo(connection)

            self.console(serve, path='a-path')
            self.check_echo(self.connect())

    def test_access_path_with_control_characters_is_not_sent(self) -> None:
        asked = []

        def serve(connection: socket.socket) -> None:
            asked.append(connection.recv(100))

        for path in ('a-path\r\nX: y', 'a\nb', 'a\x00b', 'a b', 'a\x85b'):
            self.console(serve, path=path)
            self.assertEqual(
                (1014, 'The access path of this console is invalid.'),
                self.closed(self.connect()),
                path,
            )
        self.wait_for_no_session()
        self.assertEqual({b''}, {*asked})
        self.assertIn('The access path', self.proxy.log.read_text())

    def test_refused_access_path(self) -> None:
        for answer in (
            b'HTTP/1.1 2000 OK\r\n\r\n',
            b'HTTP/2 200\r\n\r\n',
            b'x 200 OK\r\n\r\n',
            b'HTTP/1.1 200OK\r\n\r\n',
            b'HTTP/1.1  200 OK\r\n\r\n',
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

            self.console(serve, path='a-path')
            self.assertEqual(
                (1014, 'The hypervisor does not know this console.'),
                self.closed(self.connect()),
            )


class TimeoutTest(ProxyTest):
    PROXY = {'handshake_timeout': 1}

    def test_unanswered_request_of_an_access_path_times_out(self) -> None:
        self.console(consoles.hang, path='a-path')
        self.assertEqual(NO_ANSWER, self.closed(self.connect()))
        self.wait_for_no_session()

    def test_browser_may_leave_during_the_handshake(self) -> None:
        self.console(consoles.hang, path='a-path')
        for _ in range(10):
            self.connect().socket.shutdown(socket.SHUT_RDWR)
        self.wait_for_no_session()


class BackPressureTest(ProxyTest):
    PROXY = {'ping_interval': 0}

    def settled(self, sent: Callable[[], int]) -> int:
        """The number of bytes at which a sender is held up."""
        while True:
            before = sent()
            time.sleep(1)
            if before == sent() > 0 or before > BUFFERS:
                return before

    def test_slow_browser_slows_the_console_down(self) -> None:
        sent = [0]

        def flood(connection: socket.socket) -> None:
            piece = bytes(65536)
            while True:
                sent[0] += connection.send(piece)

        self.console(flood)
        connection = self.connect(max_queue=1)
        connection.recv(process.PATIENCE)
        self.assertLess(self.settled(lambda: sent[0]), BUFFERS)
        connection.close()
        self.wait_for_no_session()

    def test_slow_console_slows_the_browser_down(self) -> None:
        free = threading.Event()
        self.console(lambda connection: free.wait() and None)
        connection = self.connect()
        # Cleaned up before the connection, whose close would wait for this.
        self.addCleanup(free.set)
        sent = [0]

        def flood() -> None:
            with contextlib.suppress(ConnectionClosed):
                while True:
                    connection.send(bytes(65536))
                    sent[0] += 65536

        threading.Thread(target=flood, daemon=True).start()
        self.assertLess(self.settled(lambda: sent[0]), BUFFERS)
