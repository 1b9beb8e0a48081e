# SPDX-License-Identifier: Apache-2.0

"""The connections of native clients: a task for each."""

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from console_svc import addresses
from console_svc.proxy.errors import ClientFailed
from console_svc.proxy.monitoring import Metrics
from console_svc.proxy.streams import TCPStream

LOG = logging.getLogger(__name__)

_T = TypeVar('_T')

#: Serves a connection from an address to a port of the proxy.
Serve = Callable[[TCPStream, str, int], Awaitable[None]]


class TCPConnections:
    """Serves the connections of a front end.

    :param name: of the front end, in the metric of unexpected exceptions
    """

    def __init__(self, name: str, serve: Serve, metrics: Metrics) -> None:
        self._name = name
        self._serve = serve
        self._metrics = metrics
        self._connections: set[asyncio.Task[None]] = set()

    def protocol(self, port: int) -> TCPStream:
        """The protocol of a new connection.

        :param port: to which the client has connected
        """
        return TCPStream(functools.partial(self._connected, port))

    async def stop(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _connected(self, port: int, stream: TCPStream) -> None:
        """Start a connection's task."""
        address = stream.peer and addresses.canonical(stream.peer)
        connection = asyncio.create_task(
            self._serve_one(stream, address, port)
        )
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve_one(
        self, stream: TCPStream, address: str, port: int
    ) -> None:
        """Serve a connection until it ends."""
        try:
            await self._serve(stream, address, port)
        except Exception:
            LOG.exception(
                'Native client %s on port %d: unexpected error', address, port
            )
            self._metrics.unexpected(self._name)
        finally:
            await stream.close()


async def unless_closed(
    stream: TCPStream, waiting: Coroutine[Any, Any, _T]
) -> _T:
    """Wait for something, but only as long as the client waits, too.

    :raises console_svc.proxy.errors.ClientFailed: it closed the connection
    """
    tasks = (
        asyncio.create_task(waiting),
        asyncio.create_task(stream.peer_closed()),
    )
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0].done():
            return tasks[0].result()
        raise ClientFailed('The client closed the connection.')
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
