# SPDX-License-Identifier: Apache-2.0

"""A session: a client connected to a console, and the relay between them."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final, Protocol

from console_svc.proxy.api_answers import VIEW, OpenedSession
from console_svc.proxy.errors import Ended, Refused
from console_svc.proxy.streams import Server, Stream

# Seconds to relay the last input of a client that has closed.
_LAST_INPUT_TIMEOUT: Final = 5


class Input(Protocol):
    """What a client sends, before the console gets it."""

    def passed(self, data: bytes) -> bytes:
        """What the console gets of the client's next bytes.

        :raises console_svc.proxy.errors.Ended: the client violates the
            protocol
        """

    def change(self, is_view: bool) -> bytes:
        """Begin to drop input, or end it.

        :returns: what the console must get now: the release of keys
        :raises console_svc.proxy.errors.Ended: input cannot be dropped
        """

    def take_seen(self) -> bool:
        """Whether input has come since the last call."""


class Session:
    """A client connected to a console.

    :param opened: the session as the API has opened it
    """

    __slots__ = (
        '_counted',
        '_release',
        '_server',
        'active_at',
        'activity_id',
        'deadline',
        'ended',
        'input',
        'mode',
        'mode_changed',
        'opened',
        'received',
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
        #: Monotonic time at which input was last seen.
        self.active_at = time.monotonic()
        #: A UUID of what is idle as a whole: the session, or a page.
        self.activity_id = opened.id
        self.mode = opened.mode
        #: Called with the new mode.
        self.mode_changed: Callable[[str], None] = _ignore
        #: Filters what the client sends; None: it is relayed unparsed.
        self.input: Input | None = None
        self._counted = (0, 0)
        # Where the relay writes what the client sends.
        self._server: Server | None = None
        self._release: asyncio.Task[None] | None = None

    def end(self, ending: Ended) -> None:
        """End the session, unless it is ending already."""
        if not self.ended.done():
            self.ended.set_exception(ending)
            # Mark it as retrieved: asyncio logs those that nobody awaits.
            self.ended.exception()

    def newly_moved(self, now: float) -> tuple[int, int]:
        """Bytes from the client and to it since the last call.

        :param now: monotonic time
        """
        before, self._counted = self._counted, (self.received, self.sent)
        moved = (self.received - before[0], self.sent - before[1])
        # Without a filter, the proxy does not know what is input.
        if self.input.take_seen() if self.input else moved[0]:
            self.active_at = now
        return moved

    def set_mode(self, mode: str) -> None:
        """Obey another mode, while the client stays connected.

        Keys that the client has pressed are released, if it must only view
        from now on.
        """
        if mode == self.mode:
            return
        self.mode = mode
        is_view = mode == VIEW
        if self.input is not None:
            try:
                release = self.input.change(is_view)
            except Ended as ending:
                self.end(ending)
                return
            if release and self._server is not None:
                self._release = asyncio.create_task(
                    self._write(self._server, release)
                )
        elif is_view:
            self.end(
                Refused('The session must not control the console any more.')
            )
        self.mode_changed(mode)

    async def _write(self, server: Server, data: bytes) -> None:
        # The relay notices that the connection is closed.
        with contextlib.suppress(OSError):
            await server.write(data)

    async def relay(self, client: Stream, server: Server) -> None:
        """Relay bytes in both directions until either end closes.

        What the client has sent before it closed reaches the server.

        :raises console_svc.proxy.errors.Ended: the session was ended
        :raises Exception: what relaying has raised, unless an end closed the
            connection
        """
        self._server = server
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
            if self.input is not None:
                data = self.input.passed(data)
                if not data:
                    continue
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


def _ignore(_: str) -> None:
    """Nothing depends on the mode."""


async def _first_of(*futures: asyncio.Future[None]) -> None:
    """Wait until one is done. asyncio.wait() would take more memory."""
    first = asyncio.get_running_loop().create_future()

    def done(_: asyncio.Future[None]) -> None:
        if not first.done():
            first.set_result(None)

    for future in futures:
        future.add_done_callback(done)
    await first
