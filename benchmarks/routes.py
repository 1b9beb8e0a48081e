# SPDX-License-Identifier: Apache-2.0

"""Clients of a VNC server: direct, through relays, and through the proxy."""

import asyncio
import contextlib
import dataclasses
import functools
import ssl
from collections.abc import AsyncIterator, Sequence

from websockets.asyncio import client

from benchmarks import painter
from benchmarks.load import Server
from console_svc.protocols import rfb
from console_svc.proxy.handshakes import Answers, perform
from console_svc.proxy.streams import Stream, TCPStream

#: Seconds for each step of a handshake.
PATIENCE = 120


class Credentials(Answers):
    """Answers the gateway's challenge."""

    def __init__(self, stream: TCPStream, password: str) -> None:
        self._stream = stream
        self._password = password

    async def respond(self, challenge: bytes) -> bytes:
        return rfb.response(challenge, self._password)

    async def start_tls(self) -> None:
        await self._stream.start_tls(unverified(), '127.0.0.1')


@dataclasses.dataclass
class Route:
    """A route to the VNC server.

    :param handshake: the security types that the client accepts
    :param relay: the program between client and VNC server
    :param asks: the program that the relay sends requests to
    """

    name: str
    port: int
    relay: Server | None = None
    asks: Server | None = None
    handshake: Sequence[int] = (rfb.NONE,)
    password: str = ''

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[Stream]:
        """Connect, perform the handshake up to ServerInit, and close."""
        async with self._connection() as (stream, answers):
            await perform(
                stream, rfb.log_in(self.handshake), PATIENCE, answers
            )
            await perform(stream, painter.enter(), PATIENCE)
            yield stream

    @contextlib.asynccontextmanager
    async def _connection(
        self,
    ) -> AsyncIterator[tuple[Stream, Answers | None]]:
        async with tcp(self.port) as stream:
            yield stream, Credentials(stream, self.password)

    def seconds(self) -> float:
        """Return the CPU seconds of the relay and of the program it asks."""
        servers = (self.relay, self.asks)
        return sum(server.seconds() for server in servers if server)

    def memory(self) -> float:
        """Return the memory (PSS) of the relay, in KiB."""
        return self.relay.memory_of_all() if self.relay else 0


@dataclasses.dataclass
class Browser(Route):
    """A route through a websocket.

    :param token: a console token; empty: the relay asks for none
    """

    token: str = ''

    @contextlib.asynccontextmanager
    async def _connection(
        self,
    ) -> AsyncIterator[tuple[Stream, Answers | None]]:
        url = f'ws://127.0.0.1:{self.port}/'
        if self.token:
            url += f'?token={self.token}'
        async with websocket(url) as connection:
            yield _WebSocket(connection), None


class _WebSocket:
    """The bytes in the frames of a websocket."""

    def __init__(self, connection: client.ClientConnection) -> None:
        self._connection = connection
        self._rest = b''

    async def read(self) -> bytes:
        if not self._rest:
            return await self._connection.recv(decode=False)
        data, self._rest = self._rest, b''
        return data

    async def write(self, data: bytes) -> None:
        await self._connection.send(data)

    async def read_exactly(self, number: int) -> bytes:
        data = b''
        while len(data) < number:
            data += await self.read()
        data, self._rest = data[:number], data[number:]
        return data


@contextlib.asynccontextmanager
async def tcp(port: int) -> AsyncIterator[TCPStream]:
    """Connect to a port of 127.0.0.1, and close at once in the end."""
    _, stream = await asyncio.get_running_loop().create_connection(
        TCPStream, '127.0.0.1', port
    )
    try:
        yield stream
    finally:
        stream.abort()


def websocket(url: str) -> client.connect:
    """Connect to a websocket as a context."""
    return client.connect(
        url,
        ssl=unverified() if url.startswith('wss:') else None,
        subprotocols=['binary'],  # type: ignore[list-item]
        compression=None,
        ping_interval=None,
        max_size=None,
    )


@functools.cache
def unverified() -> ssl.SSLContext:
    """Return a client's TLS that accepts any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
