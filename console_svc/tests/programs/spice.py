# SPDX-License-Identifier: Apache-2.0

"""A SPICE server and a SPICE client of a few lines.

They share no code with the proxy, so that both have to be right.
"""

import contextlib
import itertools
import socket
import struct
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

MAIN: Final = 1
DISPLAY: Final = 2
INPUTS: Final = 3
USBREDIR: Final = 9

#: Types of messages: an acknowledgement on any channel, and keys.
ACK: Final = 1
KEY_DOWN: Final = 101
KEY_UP: Final = 102

OK: Final = 0
PERMISSION_DENIED: Final = 7

#: What spice-server 0.15 announces: common capabilities, and those of
#: channels.
COMMON: Final = 0xB
CAPABILITIES: Final = {MAIN: 0xF, DISPLAY: 0x1052, INPUTS: 0x1, USBREDIR: 0x1}

_OAEP: Final = padding.OAEP(
    padding.MGF1(hashes.SHA1()), hashes.SHA1(), label=None
)


def message(body: bytes, magic: bytes = b'REDQ', major: int = 2) -> bytes:
    """A message of the link."""
    return struct.pack('<4sIII', magic, major, 2, len(body)) + body


def link(
    kind: int = MAIN,
    connection_id: int = 0,
    common: tuple[int, ...] = (0xD,),
    channel: tuple[int, ...] = (0xF,),
) -> bytes:
    """A client's link message."""
    words = common + channel
    return message(
        struct.pack(
            '<IBBIII', connection_id, kind, 0, len(common), len(channel), 18
        )
        + struct.pack(f'<{len(words)}I', *words)
    )


def receive(stream: socket.socket, number: int) -> bytes:
    """A number of bytes.

    :raises EOFError: the peer has closed the connection
    """
    data = b''
    while len(data) < number:
        more = stream.recv(number - len(data))
        if not more:
            raise EOFError(data)
        data += more
    return data


def receive_message(stream: socket.socket) -> bytes:
    """A message of the link, with its header."""
    header = receive(stream, 16)
    magic, major, minor, size = struct.unpack('<4sIII', header)
    assert (magic, major, minor) == (b'REDQ', 2, 2), header
    return header + receive(stream, size)


class Channel:
    """A client's channel, up to the result.

    :ivar error: of the server's reply, or else its result
    """

    def __init__(
        self,
        stream: socket.socket,
        password: str,
        kind: int = MAIN,
        connection_id: int = 0,
    ) -> None:
        self.stream = stream
        stream.sendall(link(kind, connection_id))
        reply = receive_message(stream)[16:]
        self.error, key, *numbers = struct.unpack('<I162sIII', reply[:178])
        if self.error:
            return
        common, channel, offset = numbers
        self.capabilities = struct.unpack_from(
            f'<{common + channel}I', reply, offset
        )
        stream.sendall(struct.pack('<I', 1) + ticket(password, key))
        (self.error,) = struct.unpack('<I', receive(stream, 4))

    def init(self) -> int:
        """The connection id that the server gives to a main channel."""
        kind, size, connection_id = struct.unpack(
            '<HII', receive(self.stream, 10)
        )
        assert (kind, size) == (103, 4)
        return int(connection_id)

    def send(self, data: bytes, kind: int) -> bytes:
        """Send a message; its header."""
        header = struct.pack('<HI', kind, len(data))
        self.stream.sendall(header + data)
        return header

    def echo(self, data: bytes, kind: int = ACK) -> bytes:
        """What comes back of the data of a message.

        :param kind: its type
        """
        header = self.send(data, kind)
        received = receive(self.stream, len(header + data))
        assert received.startswith(header), received[:6]
        return received[6:]

    def is_closed(self) -> bool:
        """Wait until the peer closes the connection."""
        with contextlib.suppress(ConnectionResetError):
            while self.stream.recv(65536):
                pass
        return True


def ticket(password: str, key: bytes) -> bytes:
    """The ticket of a password for a server's public key."""
    public = serialization.load_der_public_key(key)
    assert isinstance(public, rsa.RSAPublicKey)
    return public.encrypt(password.encode() + b'\0', _OAEP)


class Server:
    """A SPICE server, which sends back what its channels receive.

    :param password: empty: it takes any
    :param common: its common capabilities
    :param lacking: bits that its channels' capabilities lack
    :param error: of its replies
    :ivar links: the link messages that it has received
    :ivar selects: whether clients send a mechanism before their ticket
    """

    def __init__(
        self,
        password: str = '',
        common: int = COMMON,
        lacking: int = 0,
        error: int = OK,
    ) -> None:
        self.password = password
        self.common = common
        self.lacking = lacking
        self.error = error
        self.links: list[bytes] = []
        self.selects = True
        self._key = rsa.generate_private_key(65537, 1024)
        self._ids = itertools.count(0xF0000001)
        self._known: set[int] = set()

    def serve(self, stream: socket.socket) -> None:
        """Serve a channel."""
        with contextlib.suppress(EOFError):
            data = receive_message(stream)
            self.links.append(data)
            connection_id, kind = struct.unpack_from('<IB', data, 16)
            stream.sendall(self._reply(kind))
            if self.error:
                return
            result = self._log_in(stream)
            if result == OK and kind != MAIN:
                result = OK if connection_id in self._known else 8
            stream.sendall(struct.pack('<I', result))
            if result != OK:
                return
            if kind == MAIN:
                new = next(self._ids)
                self._known.add(new)
                stream.sendall(struct.pack('<HII', 103, 4, new))
            while data := stream.recv(65536):
                stream.sendall(data)

    def _reply(self, kind: int) -> bytes:
        key = self._key.public_key().public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo,
        )
        words = [self.common]
        if kind in CAPABILITIES:
            words.append(CAPABILITIES[kind] & ~self.lacking)
        return message(
            struct.pack('<I162sIII', self.error, key, 1, len(words) - 1, 178)
            + struct.pack(f'<{len(words)}I', *words)
        )

    def _log_in(self, stream: socket.socket) -> int:
        if self.selects:
            (mechanism,) = struct.unpack('<I', receive(stream, 4))
            assert mechanism == 1
        password = self._key.decrypt(receive(stream, 128), _OAEP)
        if self.password and password != self.password.encode() + b'\0':
            return PERMISSION_DENIED
        return OK
