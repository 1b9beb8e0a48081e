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

from websockets.frames import CloseCode

from console_svc.proxy.errors import Ended
from console_svc.proxy.tcp_info import TCPInfo
from console_svc.proxy.websocket import WebSocketStream


@contextlib.asynccontextmanager
async def pinged(
    websocket: WebSocketStream, interval: float
) -> AsyncIterator[None]:
    """Ping a browser during the context.

    :param interval: seconds between two pings, and to answer one; 0: no pings
    :raises console_svc.proxy.errors.Ended: the browser does not answer
    """
    if not interval:
        yield
        return
    body = asyncio.timeout(None)
    pings = _Pings(websocket, interval, body)
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
    """Pings a browser until it does not answer, and then ends the body."""

    __slots__ = ('_before', '_body', '_interval', '_timer', '_websocket')

    def __init__(
        self,
        websocket: WebSocketStream,
        interval: float,
        body: asyncio.Timeout,
    ) -> None:
        self._websocket = websocket
        self._interval = interval
        self._body = body
        self._timer: asyncio.TimerHandle
        self._before: _Progress | None = None

    def schedule(self) -> None:
        """Ping after the interval, and so on."""
        self._timer = asyncio.get_running_loop().call_later(
            self._interval, self._ping
        )

    def stop(self) -> None:
        """Send no more pings."""
        self._timer.cancel()

    def _ping(self) -> None:
        """Send a ping, unless the last one has no answer yet."""
        try:
            now = _Progress(*self._websocket.progress())
        except OSError:
            # The connection is closed.
            return
        if not self._websocket.awaits_pong:
            self._websocket.ping()
        elif self._before is not None and not now.is_alive(self._before):
            self._body.reschedule(0)
            return
        self._before = now
        self.schedule()


@dataclasses.dataclass(frozen=True, slots=True)
class _Progress:
    """The progress of a connection.

    :param paused: whether the console is too slow to read from the browser
    """

    tcp: TCPInfo
    paused: bool

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
