# SPDX-License-Identifier: Apache-2.0

"""RDCleanPath and an RDP server in as much as tests need, by hand.

Nothing here uses the code that it tests.
"""

import socket
import ssl
import struct
from collections.abc import Callable

from console_svc.tests.programs import consoles

#: An X.224 connection request for TLS and CredSSP, as IronRDP sends it.
REQUEST = bytes.fromhex('030000130ee000000000000100080003000000')

#: X.224 confirms: that select TLS, CredSSP, RDP's own security; that refuse
#: without TLS, because the server has no certificate; and the oldest, without
#: a negotiation.
TLS, CREDSSP, PLAIN = (
    bytes.fromhex(f'030000130ed0000012340002000800{it:02x}000000')
    for it in (1, 2, 0)
)
NO_CERTIFICATE = bytes.fromhex('030000130ed000001234000300080003000000')
OLD = bytes.fromhex('0300000b06d00000123400')

VERSION = 3390


def der(tag: int, content: bytes) -> bytes:
    """A value in DER."""
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 + len(length)]) + length + content


def number(value: int) -> bytes:
    return der(2, value.to_bytes(value.bit_length() // 8 + 1))


def message(members: dict[int, bytes]) -> bytes:
    """A message of RDCleanPath.

    :param members: context tag -> value in DER
    """
    return der(0x30, b''.join(der(0xA0 + it, members[it]) for it in members))


def request(
    x224: bytes | None = REQUEST,
    destination: str = 'elsewhere.example.org:22',
    blob: str | None = None,
    version: int = VERSION,
) -> bytes:
    """What a browser sends first."""
    members = {
        0: number(version),
        2: der(12, destination.encode()),
        3: der(12, b'unused'),
    }
    if blob is not None:
        members[5] = der(12, blob.encode())
    if x224 is not None:
        members[6] = der(4, x224)
    return message(members)


def parse(data: bytes) -> list[tuple[int, bytes]]:
    """The values in DER that follow each other: tags and contents."""
    found = []
    while data:
        tag, size, start = data[0], data[1], 2
        if size > 128:
            start += size - 128
            size = int.from_bytes(data[2:start])
        assert start + size <= len(data)
        found.append((tag, data[start : start + size]))
        data = data[start + size :]
    return found


def members(data: bytes) -> dict[int, bytes]:
    """Context tag -> value in DER, of a message."""
    ((_, content),) = parse(data)
    return {tag - 0xA0: value for tag, value in parse(content)}


def preconnection(connection: socket.socket) -> str:
    """Read a preconnection PDU of version 2; its text."""
    size, flags, version, number, length = struct.unpack(
        '<IIIIH', exactly(connection, 18)
    )
    assert (flags, version, number) == (0, 2, 0)
    assert size == 18 + 2 * length
    text = exactly(connection, 2 * length).decode('utf-16-le')
    assert text.endswith('\0')
    return text[:-1]


def exactly(connection: socket.socket, size: int) -> bytes:
    data = b''
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            break
        data += more
    return data


def server(
    context: ssl.SSLContext | None,
    confirm: bytes = TLS,
    heard: list[bytes] | None = None,
) -> Callable[[socket.socket], None]:
    """An RDP server, which echoes what it receives inside TLS.

    :param context: None: it closes the connection instead of TLS
    :param confirm: its answer to an X.224 request
    :param heard: gets the request
    """

    def serve(connection: socket.socket) -> None:
        asked = exactly(connection, len(REQUEST))
        if heard is not None:
            heard.append(asked)
        connection.sendall(confirm)
        if context is not None:
            with encrypted(connection, context) as inside:
                consoles.echo(inside)

    return serve


def encrypted(
    connection: socket.socket, context: ssl.SSLContext
) -> ssl.SSLSocket:
    """The server's side of TLS."""
    return context.wrap_socket(connection, server_side=True)
