# SPDX-License-Identifier: Apache-2.0

"""The websocket library's server, without its listening sockets."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, cast

from websockets.asyncio import server as websockets
from websockets.asyncio.connection import Connection
from websockets.exceptions import WebSocketException
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

# websockets logs malformed requests as errors; __init__() silences it.
_LIBRARY: Final = logging.getLogger(f'{__name__}.library')

# Most bytes of a message from a browser, and most messages that wait.
_MAX_SIZE: Final = 256 * 1024
_MAX_QUEUE: Final = 4

# Seconds for a browser to answer the close frame.
_CLOSE_TIMEOUT: Final = 5

# Selected if it is offered. A client that offers none gets no subprotocol.
_BINARY: Final = Subprotocol('binary')


class WebSocketServer:
    """Serves the connections of browsers that are accepted elsewhere.

    :param respond: responds to a request; None: the websocket is accepted
    :param serve: serves a websocket, and closes it
    :param timeout: seconds for the request and the response
    """

    def __init__(
        self,
        respond: Callable[
            [websockets.ServerConnection, Request], Response | None
        ],
        serve: Callable[[websockets.ServerConnection], Awaitable[None]],
        timeout: float,
    ) -> None:
        self._respond = respond
        self._serve = serve
        self._timeout = timeout
        self._tasks: set[asyncio.Task[None]] = set()
        self._serving = True
        _LIBRARY.setLevel(logging.CRITICAL)

    def protocol(self) -> asyncio.BaseProtocol:
        """The protocol of a new connection."""
        return _ServerConnection(self)

    def refuse(self) -> None:
        """Refuse new websockets from now on."""
        self._serving = False

    async def wait_closed(self) -> None:
        """Wait until all connections are closed."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def is_serving(self) -> bool:
        """Whether websockets are accepted; the library asks."""
        return self._serving

    def connected(self, connection: websockets.ServerConnection) -> None:
        """Start a connection's task."""
        task = asyncio.create_task(self._handle(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, connection: websockets.ServerConnection) -> None:
        """Serve a connection until it ends."""
        try:
            async with asyncio.timeout(self._timeout):
                await connection.handshake(self._respond, server_header=None)
            if connection.state is State.OPEN:
                await self._serve(connection)
        except (EOFError, OSError, WebSocketException):
            # The request is malformed, or did not come in time.
            pass
        finally:
            connection.transport.abort()


class _ServerConnection(websockets.ServerConnection):
    def __init__(self, server: WebSocketServer) -> None:
        super().__init__(
            ServerProtocol(
                select_subprotocol=_select_subprotocol,
                max_size=_MAX_SIZE,
                logger=_LIBRARY,
            ),
            # The library only calls is_serving().
            cast(websockets.Server, server),
            # Its time-out ends slow browsers, and not those that vanished.
            ping_interval=None,
            close_timeout=_CLOSE_TIMEOUT,
            max_queue=_MAX_QUEUE,
        )
        self._connected = server.connected

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not that of ServerConnection, which starts the library's handler.
        Connection.connection_made(self, transport)
        self._connected(self)


def _select_subprotocol(
    protocol: ServerProtocol, offered: Sequence[Subprotocol]
) -> Subprotocol | None:
    return _BINARY if _BINARY in offered else None
