# SPDX-License-Identifier: Apache-2.0

"""The TCP connections of a session as streams of bytes."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Final, Protocol

from console_svc.proxy.base_stream import READ_AHEAD, BaseStream
from console_svc.proxy.errors import PeerClosed

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
    """A connection as bytes in both directions, during a handshake."""

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


class TCPStream(BaseStream):
    """A connection to a hypervisor, or from a native client.

    :param accepted: is called once the peer has connected; None: the proxy
        has connected
    """

    __slots__ = ('_accepted', '_is_server')

    def __init__(
        self, accepted: Callable[['TCPStream'], None] | None = None
    ) -> None:
        super().__init__()
        self._accepted = accepted
        self._is_server = accepted is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        for option in _KEEP_ALIVE:
            transport.get_extra_info('socket').setsockopt(*option)
        accepted, self._accepted = self._accepted, None
        if accepted is not None:
            accepted(self)

    @property
    def peer(self) -> str:
        """The address of the peer; '': it has closed the connection."""
        peer = self._transport.get_extra_info('peername')
        return peer[0] if peer else ''

    async def write(self, data: bytes) -> None:
        self.send(data)
        await self._drained()

    def send(self, data: bytes) -> None:
        # RuntimeError: uvloop's exception for a closed transport.
        with contextlib.suppress(RuntimeError):
            if not self._is_lost:
                self._transport.write(data)

    async def peer_closed(self) -> None:
        """Wait until the peer closes the connection.

        It can be cancelled: what the peer sends meanwhile is kept for the next
        read. A peer that sends 64 KiB without an answer counts as closed.
        """
        while not self._at_end and len(self._rest) <= READ_AHEAD:
            await self._more()

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
        await self._drained()
        # From here to start_tls(), which reads no more at once, the event loop
        # does not run: plain text would be taken for a part of what TLS
        # protects.
        if self._rest or self._at_end:
            raise PeerClosed
        try:
            transport = await asyncio.get_running_loop().start_tls(
                self._transport,
                self,
                context,
                server_side=self._is_server,
                server_hostname=host,
            )
        except RuntimeError:
            raise PeerClosed from None
        if transport is None:
            # asyncio's answer for a connection that is closed meanwhile.
            raise PeerClosed
        self._transport = transport
        self._is_held = False

    def peer_certificates(self) -> list[bytes]:
        """The certificates of the peer in DER, its own first; after TLS began.

        Before Python 3.13, it is its own alone.
        """
        connection = self._transport.get_extra_info('ssl_object')
        if hasattr(connection, 'get_unverified_chain'):
            return list(connection.get_unverified_chain())
        return [connection.getpeercert(binary_form=True)]

    async def finish(self) -> None:
        """Send what was written, and wait for the peer to close.

        What it sends is discarded: with unread data, the kernel would reset
        the connection, and what was written could be lost.
        """
        self.discard()
        if not self._transport.can_write_eof():
            # TLS cannot close one direction alone.
            await self.close()
            return
        # RuntimeError: uvloop's exception for a closed transport.
        with contextlib.suppress(OSError, TimeoutError, RuntimeError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                self._transport.write_eof()
                while not self._at_end:
                    await self._more()

    async def close(self) -> None:
        """Close after sending what was written, or after a time-out."""
        self._transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                while not self._is_lost:
                    await self._more()
        self.abort()


async def connected(connection: socket.socket) -> TCPStream:
    """The stream of a connection to a hypervisor."""
    _, stream = await asyncio.get_running_loop().create_connection(
        TCPStream, sock=connection
    )
    return stream
