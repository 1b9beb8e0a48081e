# SPDX-License-Identifier: Apache-2.0

"""Malformed, slow and broken connections of native clients."""

import contextlib
import socket
import ssl
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from console_svc.tests.programs import bad_input, consoles, process
from console_svc.tests.programs.bad_input import RFB_3_8, STEPS, TO_TLS
from console_svc.tests.programs.gateway import Gateway, GatewayTest, desktop


class BadInputTest(GatewayTest):
    #: Options of [proxy].
    PROXY: ClassVar[dict[str, Any]] = {}
    #: Whether the gateway has a certificate.
    TLS = True

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        console = consoles.TCPConsole(consoles.vnc)
        console.setUp()
        cls.addClassCleanup(console.cleanUp)
        cls.gateway = Gateway(
            console.port,
            rfb_options={
                'max_connections_per_address': 1000,
                # Guesses are not what is tested here.
                'max_failures': 1_000_000,
                'max_failures_per_console': 1_000_000,
            },
            proxy=cls.PROXY,
            tls=cls.TLS,
        )
        cls.gateway.setUp()
        cls.addClassCleanup(cls.gateway.cleanUp)

    def setUp(self) -> None:
        super().setUp()
        self.console = self.gateway.open()
        self.addCleanup(self.check_log)

    def raw(self, port: int, data: bytes) -> socket.socket:
        """A connection on which something is sent."""
        stream = bad_input.connect(port, data)
        self.addCleanup(stream.close)
        return stream

    def check_echo(self) -> None:
        """Check that a client with the right password is on the console."""
        stream, line = self.log_in(
            self.console['port'], self.console['password']
        )
        self.assertEqual(consoles.SCREEN, desktop(line))
        stream.sendall(b'hello')
        heard = consoles.heard(stream, b'hello')
        self.assertTrue(heard.endswith(b'hello'), heard)
        stream.close()

    def ports(self) -> tuple[int, int]:
        return self.console['port'], self.gateway.shared_port

    def check_log(self) -> None:
        log = self.gateway.proxy.log.read_text()
        for word in ('Traceback', ' ERROR ', ' CRITICAL '):
            at = log.find(word)
            self.assertLess(at, 0, log[max(0, at - 500) : at + 2000])


class HandshakeTest(BadInputTest):
    PROXY = {'handshake_timeout': 2}

    def test_handshakes_that_break_off(self) -> None:
        """Half of them close the connection, the others wait."""
        closing = [
            self.raw(port, data) for port in self.ports() for data in STEPS
        ]
        waiting = [
            self.raw(port, data)
            for port in self.ports()
            for data in (b'', b'RFB', RFB_3_8, RFB_3_8 + b'\x13', TO_TLS)
        ]
        for stream in closing:
            # Some have been closed already.
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_WR)
        for stream in (*closing, *waiting):
            with contextlib.suppress(ConnectionResetError):
                while said := stream.recv(65536):
                    self.assertNotIn(b'Traceback', said)
        self.check_echo()

    def test_slow_handshakes_time_out(self) -> None:
        """A byte at a time does not extend the time of a step."""
        stream = self.raw(self.console['port'], b'')
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for byte in RFB_3_8[:-1]:
                stream.sendall(bytes([byte]))
                time.sleep(1)
        with contextlib.suppress(ConnectionResetError):
            while stream.recv(100):
                pass

    def test_bad_tls_is_refused(self) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        for subtype, port in zip((261, 262), self.ports(), strict=True):
            hello = TO_TLS + struct.pack('>I', subtype)
            for inside in (
                b'',
                bytes(15),
                struct.pack('>II', 2**31, 2**31),
                struct.pack('>II', 256, 1),
                struct.pack('>II', 0, 0),
                struct.pack('>II', 3, 3) + b'\xff\xff\xff\0\0\0',
            ):
                with contextlib.suppress(OSError):
                    stream = self.raw(port, hello)
                    consoles.heard(
                        stream, struct.pack('>BBI', 0, 1, subtype) + b'\x01'
                    )
                    with context.wrap_socket(stream) as secure:
                        secure.sendall(inside)
                        # A silent client may be typing a password.
                        if inside:
                            secure.recv(1000)
        self.check_echo()


class CrowdTest(BadInputTest):
    PROXY = {'handshake_timeout': 15, 'max_sessions': 1}

    def test_silent_connections_leave_room_for_others(self) -> None:
        number = 900
        before = self.gateway.outcomes()
        self.assertNotIn('crowded', before)
        with contextlib.ExitStack() as stack:
            for _ in range(number):
                stack.enter_context(self.raw(self.console['port'], b''))
            process.wait_for(
                lambda: self.gateway.outcomes().get('crowded', 0) >= 300,
                'some to be closed',
            )
        # Those that wait to be accepted, too: they would still be a crowd.
        process.wait_for(
            lambda: (
                sum(self.gateway.outcomes().values())
                >= sum(before.values()) + number
            ),
            'the others to be closed',
        )
        self.check_echo()


class LeakTest(BadInputTest):
    """An integration test has one with more connections."""

    PROXY = {'handshake_timeout': 2}
    NUMBER = 500
    #: Starts TLS on a connection to a port; None: the gateway has no TLS.
    start_tls: Callable[[socket.socket, int], socket.socket] | None = None

    def test_bad_connections_leave_nothing_behind(self) -> None:
        self.check_echo()
        # Threads and connections to the API appear once.
        self.storm(500)
        before = self.settled()
        self.storm(self.NUMBER)
        process.wait_for(
            lambda: all(
                now <= then
                for now, then in zip(self.settled(), before, strict=True)
            ),
            f'no more than {before}: {self.settled()}',
        )
        self.check_echo()

    def bad(self) -> Sequence[tuple[bytes, bool]]:
        """What is sent, and whether a reset follows."""
        return bad_input.native_clients()

    def storm(self, number: int) -> None:
        """Open bad connections, and wait for the end of their sessions."""
        bad_input.storm(self.ports(), self.bad(), number, self.start_tls)
        process.wait_for(
            lambda: not self.gateway.sessions(), 'the sessions to end'
        )

    def settled(self) -> tuple[int, float]:
        """Descriptors and tasks, once the metrics are up to date."""
        time.sleep(2)
        return (
            self.gateway.proxy.descriptors(),
            self.gateway.proxy.tasks(),
        )
