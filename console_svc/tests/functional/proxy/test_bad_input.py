# SPDX-License-Identifier: Apache-2.0

"""Malformed, slow and broken connections of websocket clients."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Sequence

import requests
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from console_svc.tests.functional.proxy.base import ProxyTest
from console_svc.tests.programs import bad_input, consoles, process
from console_svc.tests.programs.bad_input import UPGRADE

#: Bytes: the buffers of the sockets from a console to a client, and more.
BUFFERS = 40 * 2**20


class BadInputTest(ProxyTest):
    def raw(self, data: bytes = b'') -> socket.socket:
        """A connection on which something is sent."""
        stream = bad_input.connect(self.proxy.port, data)
        self.addCleanup(stream.close)
        return stream

    def upgraded(self, target: str | None = None) -> socket.socket:
        """A websocket whose bytes the test sends itself."""
        target = target or f'/?token={self.token()}'
        stream = self.raw(UPGRADE.format(target=target).encode())
        answer = consoles.heard(stream, b'\r\n\r\n')
        self.assertIn(b' 101 ', answer)
        return stream

    def received(self, stream: socket.socket) -> bytes:
        """All that comes until the proxy closes the connection."""
        data = b''
        with contextlib.suppress(ConnectionResetError):
            while more := stream.recv(65536):
                data += more
        return data

    def close_code(self, stream: socket.socket) -> int:
        """The code of the close frame, perhaps after that of the upgrade."""
        websocket = ClientProtocol(
            parse_uri('ws://127.0.0.1/'), state=State.OPEN, max_size=None
        )
        data = stream.recv(65536)
        if data.startswith(b'HTTP/'):
            while b'\r\n\r\n' not in data:
                data += stream.recv(65536)
            _, _, data = data.partition(b'\r\n\r\n')
        while websocket.close_rcvd is None:
            websocket.receive_data(data)
            if websocket.close_rcvd is None:
                data = stream.recv(65536)
                self.assertTrue(data, 'no close frame')
        return websocket.close_rcvd.code


class FrameTest(BadInputTest):
    def test_bad_frames_close_the_websocket(self) -> None:
        self.console()

        def frame(opcode: Opcode, data: bytes) -> bytes:
            return Frame(opcode, data).serialize(mask=True)

        for data, code in (
            (frame(Opcode.TEXT, b'hello'), 1003),
            (frame(Opcode.TEXT, b'\xff'), 1007),
            (frame(Opcode.BINARY, bytes(300_000)), 1009),
            (b'\x82\xff' + b'\x7f' + b'\xff' * 7 + bytes(4), 1009),
            # Neither masked nor of a known kind.
            (Frame(Opcode.BINARY, b'x').serialize(mask=False), 1002),
            (b'\x83\x80' + bytes(4), 1002),
            (b'\xf2\x80' + bytes(4), 1002),
            (frame(Opcode.CONT, b'x'), 1002),
            (frame(Opcode.CLOSE, b'\x03'), 1002),
            (frame(Opcode.CLOSE, b'\x03\xe8bye'), 1000),
        ):
            stream = self.upgraded()
            stream.sendall(data)
            self.assertEqual(code, self.close_code(stream), data[:10])
            stream.close()
        self.wait_for_no_session()

    def test_empty_continuation_frames_close_the_websocket(self) -> None:
        """Each takes memory until the message ends, which it never does."""
        self.console()
        stream = self.upgraded()
        more = Frame(Opcode.CONT, b'', fin=False).serialize(mask=True) * 1000
        stream.sendall(
            Frame(Opcode.BINARY, b'', fin=False).serialize(mask=True)
        )
        with contextlib.suppress(OSError):
            for _ in range(100):
                stream.sendall(more)
        self.assertEqual(1009, self.close_code(stream))
        self.wait_for_no_session()


class PingTest(BadInputTest):
    PROXY = {'ping_interval': 1}

    def test_client_that_answers_no_pings_times_out(self) -> None:
        self.console()
        self.upgraded()
        process.wait_for(self.sessions, 'the session')
        self.wait_for_no_session()

    def test_client_that_no_longer_answers_pings_times_out(self) -> None:
        self.console()
        stream = self.upgraded()
        head, length = self.read_exactly(stream, 2)
        self.assertEqual(0x80 | Opcode.PING, head)
        pong = Frame(Opcode.PONG, self.read_exactly(stream, length))
        stream.sendall(pong.serialize(mask=True))
        head, length = self.read_exactly(stream, 2)
        self.assertEqual(0x80 | Opcode.PING, head)
        self.wait_for_no_session()

    def read_exactly(self, stream: socket.socket, number: int) -> bytes:
        data = b''
        while len(data) < number:
            more = stream.recv(number - len(data))
            self.assertTrue(more, 'the end')
            data += more
        return data

    def test_client_that_reads_nothing_of_a_flood_times_out(self) -> None:
        self.console(flood)
        self.upgraded()
        process.wait_for(self.sessions, 'the session')
        self.wait_for_no_session()
        self.assertIn(
            'The browser did not answer a ping.', self.proxy.log.read_text()
        )


class SlowTest(BadInputTest):
    PROXY = {'ping_interval': 2}

    def test_slow_client_of_a_flood_is_alive(self) -> None:
        """Its answers to pings would come too late."""
        self.console(flood)
        connection = self.connect(max_queue=1)
        slow_until = time.monotonic() + 8
        while time.monotonic() < slow_until:
            connection.recv(process.PATIENCE)
            time.sleep(0.15)
        # What was sent before a close frame is in the buffers.
        left = BUFFERS
        while left > 0:
            left -= len(connection.recv(process.PATIENCE))


class LastInputTest(BadInputTest):
    PASTED = bytes(range(250)) * 600

    def test_last_input_before_a_close_reaches_a_busy_console(self) -> None:
        def serve(connection: socket.socket) -> None:
            threading.Thread(
                target=flood, args=(connection,), daemon=True
            ).start()
            self.read_slowly(connection, lambda data: None)

        self.check_pasted(serve)

    def test_last_input_before_a_close_reaches_an_echo(self) -> None:
        self.check_pasted(
            lambda connection: self.read_slowly(connection, connection.sendall)
        )

    def read_slowly(
        self, connection: socket.socket, answer: Callable[[bytes], None]
    ) -> None:
        data = b''
        try:
            while more := connection.recv(4096):
                data += more
                time.sleep(0.005)
                answer(more)
        finally:
            self.got.append(data)

    def check_pasted(self, serve: Callable[[socket.socket], None]) -> None:
        """Paste into a console, close, and check what it got."""
        self.got: list[bytes] = []
        # With a small buffer, little is already received at the close.
        self.place(self.useFixture(consoles.TCPConsole(serve, 4096)).port)
        stream = self.upgraded()
        for start in range(0, len(self.PASTED), 10_000):
            piece = self.PASTED[start : start + 10_000]
            stream.sendall(Frame(Opcode.BINARY, piece).serialize(mask=True))
        stream.sendall(Frame(Opcode.CLOSE, b'\x03\xe8').serialize(mask=True))
        self.assertEqual(1000, self.close_code(stream))
        stream.close()
        process.wait_for(lambda: self.got, 'the console to be closed')
        self.assertEqual(len(self.PASTED), len(self.got[0]))
        self.assertEqual(self.PASTED, self.got[0])


class HandshakeTest(BadInputTest):
    PROXY = {'handshake_timeout': 2, 'http_idle_timeout': 1}

    def test_malformed_handshakes_are_refused(self) -> None:
        for stream in [self.raw(data) for data in bad_input.MALFORMED]:
            answer = self.received(stream)
            self.assertNotIn(b' 101 ', answer)
            self.assertNotIn(b'Traceback', answer)
        for data in bad_input.STRANGE:
            self.assertEqual(1008, self.close_code(self.raw(data)))
        self.console()
        self.check_echo(self.connect())

    def test_large_headers_are_refused(self) -> None:
        cookies = 'Cookie: ' + 'a="\\"; ' * 1150 + '\r\n'
        for head in (
            UPGRADE.format(target='/'),
            'GET /vnc.html HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
        ):
            data = head.replace('Host: ', cookies * 120 + 'Host: ')
            answer = self.received(self.raw(data.encode()))
            self.assertTrue(answer.startswith(b'HTTP/1.1 431 '), answer[:99])
            self.assertIn(b'Delete the cookies of this site.', answer)

    def test_slow_handshakes_time_out(self) -> None:
        silent = self.raw()
        slow = self.raw(b'GET / HTTP/1.1\r\nX: ')
        # A byte at a time does not extend the time.
        process.wait_for(
            lambda: is_closed(slow, b'y'), 'the slow one to time out'
        )
        self.assertEqual(b'', self.received(silent))


class CrowdTest(BadInputTest):
    PROXY = {'max_sessions': 1, 'handshake_timeout': 600}

    def test_silent_connections_leave_room_for_others(self) -> None:
        with contextlib.ExitStack() as stack:
            streams = [
                stack.enter_context(bad_input.connect(self.proxy.port, b''))
                for _ in range(700)
            ]
            process.wait_for(
                lambda: sum(map(bad_input.is_at_end, streams)) > 100,
                'some to be closed',
            )
            self.assertLess(self.proxy.descriptors(), 600)
        process.wait_for(
            lambda: self.proxy.descriptors() < 100, 'the others to be closed'
        )
        self.console()
        self.check_echo(self.connect())
        page = requests.get(
            f'http://127.0.0.1:{self.proxy.port}/', timeout=process.PATIENCE
        )
        self.assertEqual(404, page.status_code)


class LeakTest(BadInputTest):
    """An integration test has one with more connections."""

    PROXY = {'handshake_timeout': 2}
    NUMBER = 500
    #: Starts TLS on a connection; None: the proxy has no TLS.
    start_tls: Callable[[socket.socket, int], socket.socket] | None = None

    def test_bad_connections_leave_nothing_behind(self) -> None:
        self.console()
        self.check_echo(self.connect())
        bad = self.bad()
        self.storm(bad, 100)
        before = self.settled()
        self.storm(bad, self.NUMBER)
        # The connections to the API are kept for the next requests.
        process.wait_for(
            lambda: (
                self.proxy.descriptors() <= before[0] + 16
                and self.proxy.tasks() <= before[1]
            ),
            f'no more than {before}',
        )
        self.check_echo(self.connect())
        self.assertEqual(200, self.proxy.local('/healthcheck').status_code)

    def bad(self) -> Sequence[tuple[bytes, bool]]:
        """What is sent, and whether a reset follows."""
        return bad_input.websockets(self.token())

    def storm(self, bad: Sequence[tuple[bytes, bool]], number: int) -> None:
        """Open bad connections, and wait for the end of their sessions."""
        bad_input.storm([self.proxy.port], bad, number, self.start_tls)
        process.wait_for(
            lambda: len(self.sessions()) == 1, 'the sessions to end'
        )

    def settled(self) -> tuple[int, float]:
        """Descriptors and tasks, once the metrics are up to date."""
        time.sleep(2)
        return self.proxy.descriptors(), self.proxy.tasks()


def flood(connection: socket.socket) -> None:
    """Send without end."""
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(bytes(65536))


def is_closed(stream: socket.socket, data: bytes) -> bool:
    """Whether a connection has no more use for data."""
    try:
        stream.sendall(data)
    except OSError:
        return True
    return False
