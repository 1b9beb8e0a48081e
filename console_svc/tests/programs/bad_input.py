# SPDX-License-Identifier: Apache-2.0

"""Broken and hostile clients. They connect to 127.0.0.1 alone."""

import base64
import contextlib
import os
import random
import socket
import struct
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import Final

from console_svc.tests.programs import process

#: A handshake for a target.
UPGRADE: Final = (
    'GET {target} HTTP/1.1\r\n'
    'Host: 127.0.0.1\r\n'
    'Upgrade: websocket\r\n'
    'Connection: Upgrade\r\n'
    'Sec-WebSocket-Version: 13\r\n'
    f'Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n'
    '\r\n'
)

MALFORMED: Final = (
    UPGRADE.format(target='/\xff').encode('latin-1'),
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
    UPGRADE.format(target='/').replace(': 13', ': 7').encode(),
    UPGRADE.format(target='/').replace('Key: ', 'Key: x').encode(),
    UPGRADE.format(target='/').replace('Upgrade: w', 'Upgrade: x').encode(),
    UPGRADE.format(target='/').replace('Host', 'Origin: x\r\nHost').encode(),
)

#: Handshakes of websockets that are well-formed but have no token.
STRANGE: Final = (
    UPGRADE.format(target='*').encode(),
    UPGRADE.format(target='http://[').encode(),
    UPGRADE.format(target='?token=' + 'x' * 4000).encode(),
)

#: A native client's version.
RFB_3_8: Final = b'RFB 003.008\n'
#: It chooses VeNCrypt 0.2; the subtype follows.
TO_TLS: Final = RFB_3_8 + b'\x13\x00\x02'

#: Handshakes of native clients, broken off or malformed after each step.
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
    RFB_3_8,
    RFB_3_8 + b'\x00',
    RFB_3_8 + b'\x01',
    RFB_3_8 + b'\xff',
    RFB_3_8 + b'\x02',
    RFB_3_8 + b'\x02' + bytes(15),
    RFB_3_8 + b'\x02' + bytes(16),
    RFB_3_8 + b'\x02' + bytes(1000),
    RFB_3_8 + b'\x16',
    RFB_3_8 + b'\x16\xff\xff' + bytes(100),
    RFB_3_8 + b'\x16\x00\x00' + bytes(16),
    RFB_3_8 + b'\x16\x03\x04joe\xff\x00\n\r' + bytes(16),
    RFB_3_8 + b'\x13',
    RFB_3_8 + b'\x13\x00\x01',
    RFB_3_8 + b'\x13\x00\x09',
    TO_TLS,
    TO_TLS + struct.pack('>I', 260),
    TO_TLS + struct.pack('>I', 2**32 - 1),
    TO_TLS + struct.pack('>I', 261),
    TO_TLS + struct.pack('>I', 261) + b'no TLS at all' * 9,
    TO_TLS + struct.pack('>I', 262),
    TO_TLS + struct.pack('>I', 262) + bytes(64),
    os.urandom(2000),
)


def websockets(token: str) -> Sequence[tuple[bytes, bool]]:
    """Bad connections: what is sent, and whether a reset follows.

    :param token: a valid one, for those that fail later
    """
    hello = UPGRADE.format(target=f'/?token={token}').encode()
    return [
        *((data, False) for data in (MALFORMED + STRANGE) * 3),
        (UPGRADE.format(target='/').encode(), False),
        (UPGRADE.format(target='/?token=x').encode(), False),
        (hello, False),
        (hello + b'\x83\x80', False),
        (hello, True),
    ]


def native_clients() -> Sequence[tuple[bytes, bool]]:
    """Bad connections of native clients, as :func:`websockets`."""
    return [
        (data, is_reset) for data in STEPS for is_reset in (True, False, False)
    ]


def mutated(
    bad: Sequence[tuple[bytes, bool]], number: int, seed: int
) -> list[tuple[bytes, bool]]:
    """Mutations of bad connections: bytes changed, cut, doubled or added."""
    chance = random.Random(seed)
    found = []
    for _ in range(number):
        data = bytearray(chance.choice(bad)[0])
        for _ in range(chance.randint(1, 4)):
            start = chance.randint(0, len(data))
            piece = slice(start, start + chance.choice((1, 1, 2, 16)))
            data[piece] = chance.choice(
                (
                    b'',
                    data[piece] * 2,
                    chance.randbytes(chance.choice((1, 1, 4, 40))),
                )
            )
        found.append((bytes(data), chance.random() < 0.3))
    return found


def storm(
    ports: Sequence[int],
    bad: Sequence[tuple[bytes, bool]],
    number: int,
    start_tls: Callable[[socket.socket, int], socket.socket] | None = None,
) -> None:
    """Open bad connections, 16 at a time, and close them.

    :param ports: used in turn
    :param bad: what is sent, and whether a reset follows; used in turn
    :param start_tls: starts TLS on a connection to a port; used for one in
        eight, before the data is sent
    """

    def one(at: int) -> None:
        data, is_reset = bad[at % len(bad)]
        port = ports[at % len(ports)]
        if start_tls is None or at % 8:
            stream = connect(port, data)
        else:
            stream = connect(port)
            with contextlib.suppress(OSError):
                stream = start_tls(stream, port)
                stream.sendall(data)
        if is_reset:
            # A failed TLS handshake has closed it.
            with contextlib.suppress(OSError):
                stream.setsockopt(
                    socket.SOL_SOCKET,
                    socket.SO_LINGER,
                    struct.pack('ii', 1, 0),
                )
        stream.close()

    with futures.ThreadPoolExecutor(16) as pool:
        for done in [pool.submit(one, at) for at in range(number)]:
            done.result()


def connect(
    port: int, data: bytes = b'', address: str = '127.0.0.1'
) -> socket.socket:
    """A connection on which something is sent, unless it is reset at once.

    :param address: the client's; Linux has all of 127.0.0.0/8
    """
    stream = socket.socket()
    stream.settimeout(process.PATIENCE)
    stream.bind((address, 0))
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        stream.connect(('127.0.0.1', port))
        stream.sendall(data)
    return stream


def is_at_end(stream: socket.socket) -> bool:
    """Whether the other end has closed or reset a connection."""
    stream.setblocking(False)
    try:
        return not stream.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
