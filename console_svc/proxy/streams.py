# SPDX-License-Identifier: Apache-2.0

"""The connections of a session as streams of bytes: TCP and websocket.

Writing waits while the peer is slow, so data does not pile up in memory.
"""

import asyncio
import contextlib
import socket
import ssl
from typing import Final, Protocol

from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from console_svc.proxy.errors import Ended, PeerClosed

# Most bytes of one read.
_READ_SIZE: Final = 65536

# Seconds to send what was written, when a connection is closed.
_CLOSE_TIMEOUT: Final = 5

# TCP keep-alive: probe an idle peer after 60 s, drop it after 60 s more. A
# sleeping laptop sends no FIN.
_KEEP_ALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 20),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    # Milliseconds.
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 120_000),
)

#: Socket options of connections from clients. The kernel may buffer megabytes
#: for a slow client: pings would wait behind them.
ACCEPTED: Final = (
    *_KEEP_ALIVE,
    (socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 128 * 1024),
)


class Stream(Protocol):
    """A connection as bytes in both directions."""

    async def read(self) -> bytes:
        """Read what has been received; b'' at the end."""

    async def write(self, data: bytes) -> None:
        """Send bytes; wait while the send buffer is full.

        :raises OSError: the connection is closed
        """

    async def read_exactly(self, number: int) -> bytes:
        """Read a number of bytes.

        :raises console_svc.proxy.errors.PeerClosed: fewer were received
        """


class Server(Protocol):
    """A connection to a console, as a relay uses it."""

    async def read(self) -> bytes:
        """As of a :class:`Stream`."""

    async def write(self, data: bytes) -> None:
        """As of a :class:`Stream`."""

    async def finish(self) -> None:
        """Send what was written, and wait for the peer to close."""


class TCPStream:
    """A connection to a hypervisor, or from a native client."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer
        # What peer_closed() has received, and no read has returned.
        self._ahead = b''
        for option in _KEEP_ALIVE:
            writer.get_extra_info('socket').setsockopt(*option)

    async def read(self) -> bytes:
        if self._ahead:
            data, self._ahead = self._ahead, b''
            return data
        return await self._reader.read(_READ_SIZE)

    async def write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
        except RuntimeError:
            # uvloop's exception for a closed transport.
            raise ConnectionResetError('the connection is closed') from None
        await self._writer.drain()

    async def read_exactly(self, number: int) -> bytes:
        data, self._ahead = self._ahead[:number], self._ahead[number:]
        try:
            return data + await self._reader.readexactly(number - len(data))
        except asyncio.IncompleteReadError:
            raise PeerClosed from None

    async def peer_closed(self) -> None:
        """Wait until the peer closes the connection.

        It can be cancelled: what the peer sends meanwhile is kept for the next
        read. A peer that sends 64 KiB without an answer counts as closed.
        """
        with contextlib.suppress(OSError):
            while len(self._ahead) < _READ_SIZE:
                data = await self._reader.read(_READ_SIZE)
                if not data:
                    return
                self._ahead += data

    async def start_tls(
        self, context: ssl.SSLContext, host: str | None = None
    ) -> None:
        """Switch to TLS, as the server if the peer has connected.

        :param host: name or address that the server's certificate must have
        :raises ssl.SSLError: the handshake fails, or the certificate is not
            trusted
        :raises console_svc.proxy.errors.PeerClosed: the connection is closed,
            or the peer has sent plain text ahead of the handshake
        """
        # Now, so that start_tls() has nothing to wait for: between the check
        # and TLS the event loop must not run.
        await self._writer.drain()
        if self._has_unread():
            # It would be taken for a part of what TLS protects.
            raise PeerClosed
        try:
            await self._writer.start_tls(context, server_hostname=host)
        except RuntimeError:
            raise PeerClosed from None

    def peer_certificates(self) -> list[bytes]:
        """The certificates of the peer in DER, its own first; after TLS began.

        Before Python 3.13, it is its own alone.
        """
        connection = self._writer.get_extra_info('ssl_object')
        if hasattr(connection, 'get_unverified_chain'):
            return list(connection.get_unverified_chain())
        return [connection.getpeercert(binary_form=True)]

    def _has_unread(self) -> bool:
        """Whether bytes or the end were received, but not read."""
        # Run the read up to its first wait; with data or the end, there is
        # none.
        reading = self._reader.read(1)
        try:
            reading.send(None)
        except StopIteration:
            return True
        reading.close()
        return False

    async def finish(self) -> None:
        """Send what was written, and wait for the peer to close.

        What it sends is discarded: with unread data, the kernel would reset
        the connection, and what was written could be lost.
        """
        if not self._writer.can_write_eof():
            # TLS cannot close one direction alone.
            await self.close()
            return
        # RuntimeError: uvloop's exception for a closed transport.
        with contextlib.suppress(OSError, TimeoutError, RuntimeError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                self._writer.write_eof()
                while await self.read():
                    pass

    async def close(self) -> None:
        """Close after sending what was written, or after a time-out."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self._writer.wait_closed()
        self.abort()

    def abort(self) -> None:
        """Close at once, and discard what was not sent."""
        self._writer.transport.abort()


class WebSocketStream:
    """The bytes in the binary frames of a websocket."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # The rest of a message of which read_exactly() returned a part.
        self._rest = b''

    async def read(self) -> bytes:
        if self._rest:
            data, self._rest = self._rest, b''
            return data
        while True:
            try:
                message = await self._connection.recv(decode=None)
            except ConnectionClosed as closed:
                _raise_if_failed(closed)
                return b''
            if isinstance(message, str):
                raise Ended(
                    CloseCode.UNSUPPORTED_DATA,
                    'Consoles use binary frames, not text.',
                )
            if message:
                return message

    async def write(self, data: bytes) -> None:
        try:
            await self._connection.send(data)
        except ConnectionClosed as closed:
            _raise_if_failed(closed)
            raise ConnectionResetError('the connection is closed') from None

    async def read_exactly(self, number: int) -> bytes:
        data = b''
        while len(data) < number:
            more = await self.read()
            if not more:
                raise PeerClosed
            data += more
        self._rest = data[number:]
        return data[:number]


def _raise_if_failed(closed: ConnectionClosed) -> None:
    """Raise Ended if the library closed the websocket, and the peer did not.

    It does that for violations of the protocol.
    """
    if closed.sent is None or closed.rcvd_then_sent:
        return
    raise Ended(
        CloseCode(closed.sent.code),
        'The browser violated the websocket protocol: '
        f'{closed.sent.reason or closed.sent.code}.',
    ) from None
