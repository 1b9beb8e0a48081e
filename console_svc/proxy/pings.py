# SPDX-License-Identifier: Apache-2.0

"""Pings to browsers: vanished browsers time out, slow ones do not.

A ping waits behind the data that a slow browser has not read yet, for minutes
if need be. So data that moves is as good as an answer. The kernel counts it:
relaying costs nothing.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator

from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from console_svc.proxy.errors import Ended
from console_svc.proxy.tcp_info import TCPInfo


@contextlib.asynccontextmanager
async def pinged(
    connection: Connection, interval: float
) -> AsyncIterator[None]:
    """Ping a browser during the context.

    :param interval: seconds between two pings, and to answer one; 0: no pings
    :raises console_svc.proxy.errors.Ended: the browser does not answer
    """
    if not interval:
        yield
        return
    body = asyncio.timeout(None)
    pings = _Pings(connection, interval, body)
    try:
        async with body:
            pings.schedule()
            try:
                yield
            finally:
                pings.stop()
    except TimeoutError:
        if not body.expired():
            raise
        raise Ended(
            CloseCode.INTERNAL_ERROR, 'The browser did not answer a ping.'
        ) from None


class _Pings:
    """Pings a browser until it does not answer, and then ends the body.

    Between two pings there is a timer, and no task: it takes less memory.
    """

    __slots__ = ('_body', '_connection', '_interval', '_task', '_timer')

    def __init__(
        self, connection: Connection, interval: float, body: asyncio.Timeout
    ) -> None:
        self._connection = connection
        self._interval = interval
        self._body = body
        self._timer: asyncio.TimerHandle
        self._task: asyncio.Task[None] | None = None

    def schedule(self) -> None:
        """Ping after the interval, and so on."""
        self._timer = asyncio.get_running_loop().call_later(
            self._interval, self._start
        )

    def stop(self) -> None:
        """Send no more pings."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._ping())

    async def _ping(self) -> None:
        # OSError: the socket is closed.
        with contextlib.suppress(ConnectionClosed, OSError):
            before = _Progress.of(self._connection)
            pong = asyncio.create_task(_pong(self._connection))
            try:
                while not (await asyncio.wait([pong], timeout=self._interval))[
                    0
                ]:
                    now = _Progress.of(self._connection)
                    if not now.is_alive(before):
                        self._body.reschedule(0)
                        return
                    before = now
                pong.result()
            finally:
                pong.cancel()
            self._task = None
            self.schedule()


async def _pong(connection: Connection) -> None:
    # The first wait is until the write buffer has room again.
    await (await connection.ping())


@dataclasses.dataclass(frozen=True, slots=True)
class _Progress:
    """The progress of a connection.

    :param paused: whether the console is too slow to read from the browser
    """

    tcp: TCPInfo
    paused: bool

    @classmethod
    def of(cls, connection: Connection) -> '_Progress':
        transport = connection.transport
        return cls(TCPInfo.of(transport), not transport.is_reading())

    def is_alive(self, before: '_Progress') -> bool:
        """Whether the browser has shown life since an earlier time.

        An acknowledgement does only if data was queued then. Otherwise it may
        be that of the ping itself, from the kernel of a browser that hangs.
        """
        now, then = self.tcp, before.tcp
        return (
            now.received > then.received
            or (then.queued and now.acknowledged > then.acknowledged)
            # The answer may wait behind data that the console must read first.
            or before.paused
            or self.paused
        )
