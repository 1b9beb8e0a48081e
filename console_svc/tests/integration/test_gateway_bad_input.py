# SPDX-License-Identifier: Apache-2.0

"""What strangers send to the gateway. All of it to 127.0.0.1."""

import contextlib
import os
import socket
import ssl
import struct
import time
from concurrent import futures
from typing import Any, Final

from console_svc.compute.libvirt.vnc import Connection
from console_svc.protocols import rfb
from console_svc.tests import fixtures
from console_svc.tests.integration import consoles, process
from console_svc.tests.integration.gateway import Gateway, GatewayTest
from console_svc.tests.integration.test_proxy_bad_input import reset

BAD_CONNECTIONS: Final = 10_000

_V8: Final = b'RFB 003.008\n'
_TO_TLS: Final = _V8 + b'\x13\x00\x02'

#: Every step, and what it does not understand. What comes after each is left
#: out by some clients and random with others.
STEPS: Final = (
    b'',
    b'R',
    b'RFB 003.',
    b'RFB 003.abc\n',
    b'RFB 004.001\n',
    b'SSH-2.0-OpenSSH_9.2\r\n',
    b'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + bytes(500),
    b'RFB 003.003\n',
    b'RFB 003.003\n' + bytes(16),
    b'RFB 003.007\n\x02' + bytes(7),
    _V8,
    _V8 + b'\x00',
    _V8 + b'\x01',
    _V8 + b'\xff',
    _V8 + b'\x02',
    _V8 + b'\x02' + bytes(15),
    _V8 + b'\x02' + bytes(16),
    _V8 + b'\x02' + bytes(1000),
    _V8 + b'\x16',
    _V8 + b'\x16\xff\xff' + bytes(100),
    _V8 + b'\x16\x00\x00' + bytes(16),
    _V8 + b'\x16\x03\x04joe\xff\x00\n\r' + bytes(16),
    _V8 + b'\x13',
    _V8 + b'\x13\x00\x01',
    _V8 + b'\x13\x00\x09',
    _TO_TLS,
    _TO_TLS + struct.pack('>I', 260),
    _TO_TLS + struct.pack('>I', 2**32 - 1),
    _TO_TLS + struct.pack('>I', 261),
    _TO_TLS + struct.pack('>I', 261) + b'no TLS at all' * 9,
    _TO_TLS + struct.pack('>I', 262),
    _TO_TLS + struct.pack('>I', 262) + bytes(64),
    os.urandom(2000),
)


class BadInputTest(GatewayTest):
    def start(self, **proxy: Any) -> None:
        def echo(stream: socket.socket) -> None:
            line = Connection(stream)
            with contextlib.suppress(rfb.RFBError):
                minor = line.perform(rfb.offer(rfb.NONE))
                line.perform(rfb.welcome(minor, rfb.NONE))
                consoles.echo(stream)

        console = self.useFixture(consoles.TCPConsole(echo))
        self.gateway = self.useFixture(
            Gateway(
                console.port,
                rfb_options={
                    'max_connections_per_address': 1000,
                    # Guesses are not what is tested here.
                    'max_failures': 1_000_000,
                },
                proxy=proxy,
            )
        )
        self.console = self.gateway.open()

    def raw(self, port: int, data: bytes) -> socket.socket:
        """A connection on which something is sent."""
        stream = socket.create_connection(
            ('127.0.0.1', port), process.PATIENCE
        )
        with contextlib.suppress(OSError):
            stream.sendall(data)
        return stream

    def talks(self) -> None:
        """See that somebody who knows the password is on the console."""
        stream, _ = self.log_in(self.console['port'], self.console['password'])
        stream.sendall(b'hello')
        self.assertEqual(b'hello', consoles.heard(stream, b'hello'))
        stream.close()

    def ports(self) -> tuple[int, int]:
        return self.console['port'], self.gateway.shared_port

    def check_log(self) -> None:
        log = self.gateway.proxy.log.read_text()
        for word in ('Traceback', ' ERROR ', ' CRITICAL '):
            at = log.find(word)
            self.assertLess(at, 0, log[max(0, at - 500) : at + 2000])

    def test_every_step(self) -> None:
        """Hung up on in the middle, and waited for."""
        self.start(handshake_timeout=1)
        for port in self.ports():
            for data in STEPS:
                stream = self.raw(port, data)
                stream.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionResetError):
                    while said := stream.recv(65536):
                        self.assertNotIn(b'Traceback', said)
                stream.close()
        silent = [
            self.raw(port, data)
            for port in self.ports()
            for data in (b'', b'RFB', _V8, _V8 + b'\x13', _TO_TLS)
        ]
        for stream in silent:
            with contextlib.suppress(ConnectionResetError):
                while stream.recv(65536):
                    pass
            stream.close()
        self.talks()
        self.check_log()

    def test_too_slow(self) -> None:
        """A byte at a time buys nobody more than a step's time."""
        self.start(handshake_timeout=2)
        stream = self.connect(self.console['port'])
        began = time.monotonic()
        with contextlib.suppress(OSError):
            for byte in _V8:
                stream.sendall(bytes([byte]))
                time.sleep(1)
        self.assertLess(time.monotonic() - began, 10)

    def test_bad_tls(self) -> None:
        self.start(handshake_timeout=2)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        for subtype, port in zip((261, 262), self.ports(), strict=True):
            hello = _TO_TLS + struct.pack('>I', subtype)
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
                        # Who says nothing may be typing a password.
                        if inside:
                            secure.recv(1000)
            # Spoken before TLS began: not to be taken for said inside.
            with (
                contextlib.suppress(OSError),
                self.raw(port, hello + bytes(8)) as stream,
            ):
                self.assertNotIn(
                    b'\x16\x03', stream.recv(65536) + stream.recv(65536)
                )
        self.talks()
        self.check_log()

    def test_nothing_is_left_of_bad_connections(self) -> None:
        self.start(handshake_timeout=1)
        self.talks()
        process.wait_for(lambda: not self.busy(), 'the connection to be gone')
        # The second time nothing is new: threads, connections to the API.
        self.storm(1000)
        before = self.settled()
        self.storm(BAD_CONNECTIONS)
        process.wait_for(
            lambda: all(
                now <= then
                for now, then in zip(self.settled(), before, strict=True)
            ),
            f'no more than {before}: {self.settled()}',
        )
        self.talks()
        self.check_log()

    def storm(self, number: int) -> None:
        """So many bad connections, of every kind."""

        def one(at: int) -> None:
            data = STEPS[at % len(STEPS)]
            stream = self.raw(self.ports()[at % 2], data)
            if at % 3:
                stream.close()
            else:
                reset(stream)

        with futures.ThreadPoolExecutor(16) as pool:
            for done in [pool.submit(one, at) for at in range(number)]:
                done.result()
        process.wait_for(lambda: not self.busy(), 'the others to be gone')

    def busy(self) -> bool:
        return bool(self.gateway.sessions(fixtures.SERVER))

    def settled(self) -> tuple[int, float]:
        time.sleep(3)
        return (
            self.gateway.proxy.descriptors(),
            self.gateway.proxy.tasks(),
        )

    def test_connections_that_say_nothing(self) -> None:
        """Who speaks is heard all the same, and the others hung up on."""
        self.start(handshake_timeout=15, max_sessions=1)
        with contextlib.ExitStack() as stack:
            for _ in range(900):
                stack.enter_context(self.raw(self.console['port'], b''))
            process.wait_for(
                lambda: self.gateway.outcomes().get('crowded', 0) >= 300,
                'some to be hung up on',
            )
        process.wait_for(
            lambda: self.gateway.proxy.descriptors() < 100, 'the others'
        )
        self.talks()

    def test_too_many_of_one_address(self) -> None:
        self.start()
        self.assertNotIn('crowded', self.gateway.outcomes())
        with contextlib.ExitStack() as stack:
            for _ in range(1010):
                # Some may be refused by the kernel, not by us.
                stack.enter_context(self.raw(self.console['port'], b''))
            process.wait_for(
                lambda: self.gateway.outcomes().get('crowded', 0) >= 10,
                'ten to be hung up on',
            )
