# SPDX-License-Identifier: Apache-2.0

"""A session: a client connected to a console, and the relay between them."""

import asyncio
import contextlib
import time
from typing import Final

from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.errors import Ended
from console_svc.proxy.recording import Recording
from console_svc.proxy.streams import Server, Stream

# Seconds to relay the last input of a client that has closed.
_LAST_INPUT_TIMEOUT: Final = 5


class Session:
    """A client connected to a console.

    :param opened: the session as the API has opened it
    """

    __slots__ = (
        '_counted',
        'deadline',
        'ended',
        'moved_at',
        'opened',
        'received',
        'recording',
        'sent',
    )

    def __init__(self, opened: OpenedSession) -> None:
        self.opened = opened
        #: Monotonic time at which it must end; None: never.
        self.deadline = opened.deadline
        #: Bytes from the client, and to it.
        self.received = self.sent = 0
        #: Has an exception, the reason, once the session must end.
        self.ended: asyncio.Future[None] = (
            asyncio.get_running_loop().create_future()
        )
        #: Monotonic time at which bytes were last seen to move.
        self.moved_at = time.monotonic()
        self._counted = (0, 0)
        #: None: it is not recorded.
        self.recording: Recording | None = None

    def end(self, ending: Ended) -> None:
        """End the session, unless it is ending already."""
        if not self.ended.done():
            self.ended.set_exception(ending)
            # Mark it as retrieved: asyncio logs those that nobody awaits.
            self.ended.exception()

    @property
    def reason(self) -> str:
        """Why it has ended."""
        ending = self.ended.exception() if self.ended.done() else None
        return str(ending or 'The connection was closed.')

    def newly_moved(self, now: float) -> tuple[int, int]:
        """Bytes from the client and to it since the last call.

        :param now: monotonic time
        """
        before, self._counted = self._counted, (self.received, self.sent)
        moved = (self.received - before[0], self.sent - before[1])
        if any(moved):
            self.moved_at = now
        return moved

    async def relay(self, client: Stream, server: Server) -> None:
        """Relay bytes in both directions until either end closes.

        What the client has sent before it closed reaches the server.

        :raises console_svc.proxy.errors.Ended: the session was ended
        :raises Exception: what relaying has raised, unless an end closed the
            connection
        """
        if self.recording is not None:
            server = self.recording.of(server)
        pumps = [
            asyncio.ensure_future(self._from_client(client, server)),
            asyncio.ensure_future(self._to_client(client, server)),
        ]
        try:
            await _first_of(*pumps, self.ended)
        finally:
            for pump in pumps:
                pump.cancel()
            outcomes = await asyncio.gather(*pumps, return_exceptions=True)
        if self.ended.done():
            self.ended.result()
        errors = [it for it in outcomes if isinstance(it, Exception)]
        # Those that tell most come first; OSError: a connection was reset.
        for error in sorted(errors, key=lambda it: not isinstance(it, Ended)):
            if not isinstance(error, OSError):
                raise error
        if outcomes[0] is None:
            # The client has closed.
            await server.finish()

    async def _from_client(self, client: Stream, server: Server) -> None:
        while data := await client.read():
            self.received += len(data)
            await server.write(data)

    async def _to_client(self, client: Stream, server: Server) -> None:
        while data := await server.read():
            self.sent += len(data)
            try:
                await client.write(data)
            except OSError:
                await self._let_client_finish(server)
                raise

    async def _let_client_finish(self, server: Server) -> None:
        """Give a client that has closed time: not all it sent was relayed.

        A server that echoes reads on only if its output is read.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_INPUT_TIMEOUT):
                while await server.read():
                    pass


async def _first_of(*futures: asyncio.Future[None]) -> None:
    """Wait until one is done. asyncio.wait() would take more memory."""
    first = asyncio.get_running_loop().create_future()

    def done(_: asyncio.Future[None]) -> None:
        if not first.done():
            first.set_result(None)

    for future in futures:
        future.add_done_callback(done)
    await first
