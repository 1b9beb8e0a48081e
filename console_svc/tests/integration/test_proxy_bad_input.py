# SPDX-License-Identifier: Apache-2.0

"""What strangers send to the console proxy. All of it to 127.0.0.1."""

import base64
import contextlib
import itertools
import os
import re
import socket
import struct
import time
from collections.abc import Callable
from concurrent import futures
from typing import Final

import requests
from websockets.frames import Frame, Opcode

from console_svc.tests.integration import consoles, process
from console_svc.tests.integration.test_proxy import ProxyTest

BAD_CONNECTIONS: Final = 10_000

_UPGRADE: Final = (
    'GET {target} HTTP/1.1\r\n'
    'Host: 127.0.0.1\r\n'
    'Upgrade: websocket\r\n'
    'Connection: Upgrade\r\n'
    'Sec-WebSocket-Version: 13\r\n'
    f'Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n'
    '\r\n'
)

MALFORMED: Final = (
    _UPGRADE.format(target='/\xff').encode('latin-1'),
    b'',
    b'\r\n\r\n',
    b'GET',
    b'GET / HTTP/1.1\r\n',
    b'GET / HTTP/0.9\r\n\r\n',
    b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + bytes(500),
    os.urandom(2000),
    b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello',
    b'GET /' + b'x' * 20_000 + b' HTTP/1.1\r\n\r\n',
    b'GET / HTTP/1.1\r\n' + b'X: y\r\n' * 1000 + b'\r\n',
    b'GET / HTTP/1.1\r\nX: ' + b'y' * 100_000 + b'\r\n\r\n',
    b'GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n',
    _UPGRADE.format(target='/').replace(': 13', ': 7').encode(),
    _UPGRADE.format(target='/').replace('Key: ', 'Key: x').encode(),
    _UPGRADE.format(target='/').replace('Upgrade: w', 'Upgrade: x').encode(),
    _UPGRADE.format(target='/').replace('Host', 'Origin: x\r\nHost').encode(),
)

# Websockets, if strange ones; but none has a token.
STRANGE: Final = (
    _UPGRADE.format(target='*').encode(),
    _UPGRADE.format(target='http://[').encode(),
    _UPGRADE.format(target='?token=' + 'x' * 4000).encode(),
)


class BadInputTest(ProxyTest):
    def raw(self, data: bytes = b'') -> socket.socket:
        """A connection on which something is sent."""
        stream = socket.create_connection(
            ('127.0.0.1', self.proxy.port), process.PATIENCE
        )
        with contextlib.suppress(OSError):
            stream.sendall(data)
        return stream

    def upgraded(self, target: str | None = None) -> socket.socket:
        """A websocket of which every byte is the test's."""
        target = target or f'/?token={self.token()}'
        stream = self.raw(_UPGRADE.format(target=target).encode())
        self.addCleanup(stream.close)
        answer = consoles.heard(stream, b'\r\n\r\n')
        self.assertIn(b' 101 ', answer)
        return stream

    def said(self, stream: socket.socket) -> bytes:
        """All that comes until the proxy hangs up."""
        data = b''
        with contextlib.suppress(ConnectionResetError):
            while more := stream.recv(65536):
                data += more
        return data

    def close_code(self, stream: socket.socket) -> int:
        """That of the close frame."""
        data = b''
        while not (found := re.search(rb'\x88.(..)', data, re.DOTALL)):
            more = stream.recv(65536)
            self.assertTrue(more, f'no close frame: {data!r}')
            data += more
        return int(struct.unpack('>H', found[1])[0])

    def test_malformed_handshakes(self) -> None:
        self.start(handshake_timeout=2)
        for data in MALFORMED:
            with self.raw(data) as stream:
                answer = self.said(stream)
            self.assertNotIn(b' 101 ', answer)
            self.assertNotIn(b'Traceback', answer)
        for data in STRANGE:
            with self.raw(data) as stream:
                self.assertEqual(1008, self.close_code(stream))
        self.talks(self.connect())

    def test_too_slow(self) -> None:
        self.start(handshake_timeout=2)
        silent = self.raw()
        slow = self.raw(b'GET / HTTP/1.1\r\nX: ')
        self.addCleanup(silent.close)
        self.addCleanup(slow.close)
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - began < process.PATIENCE:
                slow.sendall(b'y')
                time.sleep(0.2)
        self.assertLess(time.monotonic() - began, process.PATIENCE)
        self.assertEqual(b'', self.said(silent))

    def test_bad_frames(self) -> None:
        self.start()

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

    def test_a_client_that_vanishes(self) -> None:
        """It answers no pings, and does not hang up."""
        self.start(ping_interval=1)
        self.upgraded()
        process.wait_for(self.sessions, 'the session')
        self.wait_for_no_session()

    def test_a_client_that_goes_in_the_middle(self) -> None:
        self.start(consoles.hang, path='a-path', handshake_timeout=2)
        for _ in range(10):
            self.upgraded().close()
        self.wait_for_no_session()

    def test_nothing_is_left_of_bad_connections(self) -> None:
        self.start(handshake_timeout=1)
        self.talks(self.connect())
        token = self.token()
        hello = _UPGRADE.format(target=f'/?token={token}').encode()
        kinds: list[Callable[[], None]] = [
            *(
                lambda data=data: self.raw(data).close()  # type: ignore[misc]
                for data in (MALFORMED + STRANGE) * 3
            ),
            lambda: self.raw(_UPGRADE.format(target='/').encode()).close(),
            lambda: self.raw(
                _UPGRADE.format(target='/?token=x').encode()
            ).close(),
            lambda: self.raw(hello).close(),
            lambda: self.raw(hello + b'\x83\x80').close(),
            lambda: reset(self.raw(hello)),
        ]
        process.wait_for(lambda: len(self.sessions()) == 1, 'one session')
        time.sleep(2)
        before = self.proxy.descriptors(), self.proxy.tasks()
        numbers = itertools.islice(itertools.cycle(kinds), BAD_CONNECTIONS)
        with futures.ThreadPoolExecutor(16) as pool:
            for done in [pool.submit(kind) for kind in numbers]:
                done.result()
        process.wait_for(
            lambda: len(self.sessions()) == 1, 'the others to be gone'
        )
        # The connections to the API are kept for the next requests.
        process.wait_for(
            lambda: (
                self.proxy.descriptors() <= before[0] + 16
                and self.proxy.tasks() <= before[1]
            ),
            f'no more than {before}',
        )
        self.talks(self.connect())
        self.assertEqual(200, self.proxy.local('/healthcheck').status_code)

    def test_more_than_there_is_room_for(self) -> None:
        """Connections that say nothing, at once; who speaks is heard."""
        self.start(max_sessions=1, handshake_timeout=3)
        with contextlib.ExitStack() as stack:
            for _ in range(700):
                stack.enter_context(self.raw())
            process.wait_for(
                lambda: self.proxy.descriptors() < 600, 'some to be hung up on'
            )
        process.wait_for(lambda: self.proxy.descriptors() < 100, 'the others')
        self.talks(self.connect())
        page = requests.get(
            f'http://127.0.0.1:{self.proxy.port}/', timeout=process.PATIENCE
        )
        self.assertEqual(404, page.status_code)


def reset(stream: socket.socket) -> None:
    """Hang up the rude way."""
    stream.setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)
    )
    stream.close()
