# SPDX-License-Identifier: Apache-2.0

"""The front end for native VNC clients.

It holds no password: the API checks a client's response to its challenge.
"""

import asyncio
import collections
import functools
import logging
import secrets
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from oslo_config import cfg

from console_svc.protocols import rfb
from console_svc.proxy.console_api import ConsoleApi, LoginFailed, Opened
from console_svc.proxy.errors import Ended
from console_svc.proxy.handshakes import NativeClient
from console_svc.proxy.hypervisors import Hypervisors
from console_svc.proxy.metrics import Metrics
from console_svc.proxy.sessions import Sessions
from console_svc.proxy.streams import (
    BACKLOG,
    Answers,
    HungUp,
    TCPStream,
    perform,
)

LOG = logging.getLogger(__name__)

# Connections besides those with a session: they are about to have one.
_SPARE: Final = 500

# What is wrong with a client that says nothing of it itself.
_WHY: Final[Mapping[type[Exception], str]] = {
    HungUp: 'The client has hung up',
    ConnectionResetError: 'The client has hung up',
    TimeoutError: 'The client has fallen silent',
}


class Gateway:
    """Consoles, for whoever has a password for them.

    :param tls: towards clients; None: without
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        api: ConsoleApi,
        sessions: Sessions,
        hypervisors: Hypervisors,
        metrics: Metrics,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._options = conf.rfb
        self._timeout: int = conf.proxy.handshake_timeout
        self._room: int = conf.proxy.max_sessions + _SPARE
        self._api = api
        self._sessions = sessions
        self._hypervisors = hypervisors
        self._metrics = metrics
        self._tls = tls
        self._connections: set[asyncio.Task[None]] = set()
        self._addresses: collections.Counter[str] = collections.Counter()

    async def listen(self, listener: socket.socket) -> asyncio.Server:
        """Serve on a socket."""
        port: int = listener.getsockname()[1]
        return await asyncio.start_server(
            functools.partial(self._accept, port),
            sock=listener,
            backlog=BACKLOG,
        )

    async def stop(self) -> None:
        """Hang up on those who are still about to log in."""
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(
        self,
        port: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """A connection: its task, if there is room for it."""
        peer = writer.get_extra_info('peername')
        address: str = peer[0] if peer else ''
        if (
            len(self._connections) >= self._room
            or self._addresses[address]
            >= self._options.max_connections_per_address
        ):
            self._metrics.native_client('crowded')
            writer.transport.abort()
            return
        self._addresses[address] += 1
        connection = asyncio.create_task(
            self._serve(TCPStream(reader, writer), port, address)
        )
        self._connections.add(connection)
        connection.add_done_callback(functools.partial(self._gone, address))

    def _gone(self, address: str, connection: asyncio.Task[None]) -> None:
        self._connections.discard(connection)
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]

    async def _serve(self, stream: TCPStream, port: int, address: str) -> None:
        """A connection, from its first byte to its last."""
        try:
            reason = await self._console(stream, port, address)
            LOG.info('%s on port %d: %s', address, port, reason)
        except Exception:
            LOG.exception('%s on port %d', address, port)
        finally:
            await stream.close()

    async def _console(
        self, stream: TCPStream, port: int, address: str
    ) -> str:
        """Until a connection is over; why it is."""
        challenge = secrets.token_bytes(rfb.CHALLENGE)
        try:
            login = await self._login(stream, port, challenge)
        except (rfb.RFBError, HungUp, OSError, TimeoutError) as error:
            self._metrics.native_client('broken')
            return f'{_WHY.get(type(error)) or error}.'
        client = NativeClient(stream, self._timeout, login.minor)
        console: Mapping[str, int | str] = (
            {'port': port}
            if login.user_name is None
            else {'user_name': login.user_name}
        )
        try:
            await self._session(
                client,
                functools.partial(
                    self._api.log_in,
                    console,
                    challenge,
                    login.response,
                    address,
                ),
            )
        except LoginFailed as error:
            self._metrics.native_client('locked' if error.locked else 'failed')
            # Who guesses waits longer each time.
            await asyncio.sleep(error.wait)
            await client.turn_away(error.reason)
            return error.reason
        except Ended as error:
            if not client.is_in:
                self._metrics.native_client('refused')
            if not client.is_answered:
                await client.turn_away(error.reason)
            return error.reason
        return 'The console has ended.'

    async def _login(
        self, stream: TCPStream, port: int, challenge: bytes
    ) -> rfb.Login:
        by_name = port == self._options.listen_port
        subtype = rfb.X509_PLAIN if by_name else rfb.X509_VNC
        handshake = rfb.receive(challenge, self._types(by_name), subtype)
        return await perform(
            stream, handshake, self._timeout, _TLS(stream, self._tls)
        )

    async def _session(
        self,
        client: NativeClient,
        opening: Callable[[], Awaitable[Opened]],
    ) -> None:
        began = time.monotonic()
        async with (
            self._sessions.opened(opening) as session,
            self._hypervisors.connected(session.opened, client) as server,
        ):
            self._metrics.native_client('accepted')
            self._metrics.set_up(time.monotonic() - began)
            await session.relay(client.stream, server)

    def _types(self, by_name: bool) -> list[int]:
        """The security types of a port.

        Many clients take the first that they know. noVNC is one, knows both,
        but not what there is inside VeNCrypt; no other client knows xvp.
        """
        bare = rfb.XVP if by_name else rfb.VNC
        if self._tls is None:
            return [bare]
        if self._options.require_tls:
            return [rfb.VENCRYPT]
        return [bare, rfb.VENCRYPT] if by_name else [rfb.VENCRYPT, bare]


class _TLS(Answers):
    """TLS towards a client."""

    def __init__(
        self, stream: TCPStream, context: ssl.SSLContext | None
    ) -> None:
        self._stream = stream
        self._context = context

    async def start_tls(self) -> None:
        if self._context is None:
            await super().start_tls()
        else:
            await self._stream.start_tls(self._context)
