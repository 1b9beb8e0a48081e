# SPDX-License-Identifier: Apache-2.0

"""The two ends of a session, alike, whatever they are made of.

Writing waits while the other end is slow, so nothing piles up here.
"""

import asyncio
import contextlib
import socket
import ssl
from typing import Any, Final, Protocol, TypeVar

from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from console_svc.protocols import rfb
from console_svc.proxy.errors import Ended

#: Connections that the kernel keeps until they are accepted.
BACKLOG: Final = 1024

# Bytes that are read at once.
_PIECE: Final = 65536

# Seconds for a user to type a password.
_TYPING: Final = 120

# Seconds for what was written to leave.
_GOODBYE: Final = 5

# An end that says nothing for a minute is asked whether it is there, and given
# up when it does not answer for another one, nor take what is sent: nobody
# says goodbye whose laptop sleeps, or whose NAT has forgotten the connection.
_KEEP_ALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 20),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    # Milliseconds.
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 120_000),
)

_T = TypeVar('_T')


class HungUp(Exception):
    """The other end has gone in the middle of a handshake."""


class Stream(Protocol):
    """Bytes, both ways."""

    async def read(self) -> bytes:
        """What has come; b'': no more comes."""

    async def write(self, data: bytes) -> None:
        """Send, and wait while much is on its way.

        :raises OSError: the other end has gone
        """

    async def read_exactly(self, number: int) -> bytes:
        """So many bytes.

        :raises HungUp: fewer come
        """


class TCPStream:
    """A connection to a hypervisor, or of a native client."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer
        for option in _KEEP_ALIVE:
            writer.get_extra_info('socket').setsockopt(*option)

    async def read(self) -> bytes:
        return await self._reader.read(_PIECE)

    async def write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
        except RuntimeError:
            # What uvloop says of a connection that is closed.
            raise ConnectionResetError from None
        await self._writer.drain()

    async def read_exactly(self, number: int) -> bytes:
        try:
            return await self._reader.readexactly(number)
        except asyncio.IncompleteReadError:
            raise HungUp from None

    async def start_tls(
        self, context: ssl.SSLContext, host: str | None = None
    ) -> None:
        """Go on with TLS: as its server where the other end has connected.

        :param host: whom a server's certificate must name
        :raises ssl.SSLError: it does not, or is not good
        :raises HungUp: somebody has spoken before TLS could begin
        """
        # Else what was slipped in unencrypted would be taken for said inside.
        if getattr(self._reader, '_buffer', None):
            raise HungUp
        try:
            await self._writer.start_tls(context, server_hostname=host)
        except RuntimeError:
            raise HungUp from None

    async def close(self) -> None:
        """Close when all has been sent, or does not leave."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_GOODBYE):
                await self._writer.wait_closed()
        self.abort()

    def abort(self) -> None:
        """Close at once; nobody waits for what has not been sent."""
        self._writer.transport.abort()


class WebSocketStream:
    """A websocket, taken for the bytes in its binary frames."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # Of a frame that a handshake has not read to its end.
        self._rest = b''

    async def read(self) -> bytes:
        if self._rest:
            data, self._rest = self._rest, b''
            return data
        while True:
            try:
                message = await self._connection.recv(decode=None)
            except ConnectionClosed:
                return b''
            if isinstance(message, str):
                raise Ended(
                    CloseCode.UNSUPPORTED_DATA,
                    'Consoles speak binary frames, and no text.',
                )
            if message:
                return message

    async def write(self, data: bytes) -> None:
        try:
            await self._connection.send(data)
        except ConnectionClosed:
            raise ConnectionResetError from None

    async def read_exactly(self, number: int) -> bytes:
        data = b''
        while len(data) < number:
            more = await self.read()
            if not more:
                raise HungUp
            data += more
        self._rest = data[number:]
        return data[:number]


class Answers:
    """What a handshake needs besides bytes; most need nothing."""

    async def respond(self, challenge: bytes) -> bytes:
        """What answers a challenge of VNC authentication.

        :raises console_svc.protocols.rfb.RFBError: nobody knows
        """
        raise rfb.RFBError('there is no password')

    async def start_tls(self) -> None:
        """Go on with TLS.

        :raises console_svc.protocols.rfb.RFBError: that is not foreseen
        """
        raise rfb.RFBError('there is no TLS')


async def perform(
    stream: Stream,
    handshake: rfb.Handshake[_T],
    timeout: float,
    answers: Answers | None = None,
) -> _T:
    """Go through a handshake of RFB.

    :param timeout: seconds for each step, but not for what a user types, nor
        for the answers
    :returns: what the handshake does
    :raises console_svc.protocols.rfb.RFBError: it fails
    :raises HungUp: the other end has gone
    :raises TimeoutError: the other end says nothing
    :raises OSError: the connection fails
    """
    answers = answers or Answers()
    # A generator begins with None.
    outcome: Any = None
    while True:
        try:
            step = handshake.send(outcome)
        except StopIteration as end:
            result: _T = end.value
            return result
        outcome = None
        match step:
            case rfb.Read(number, typed):
                async with asyncio.timeout(_TYPING if typed else timeout):
                    outcome = await stream.read_exactly(number)
            case rfb.Write(data):
                async with asyncio.timeout(timeout):
                    await stream.write(data)
            case rfb.Respond(challenge):
                outcome = await answers.respond(challenge)
            case rfb.StartTLS():
                async with asyncio.timeout(timeout):
                    await answers.start_tls()
