# SPDX-License-Identifier: Apache-2.0

"""The sessions of this process: opened at the API, kept alive, and ended."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from oslo_config import cfg

from console_svc.proxy.activity import Activity
from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.console_api import ConsoleApi
from console_svc.proxy.errors import (
    ApiUnavailable,
    Disconnected,
    Ended,
    GoingDown,
    Refused,
    TryAgainLater,
)
from console_svc.proxy.joined import Joined
from console_svc.proxy.keep_alives import KeepAlives
from console_svc.proxy.monitoring import Metrics
from console_svc.proxy.streams import Stream, TCPStream

LOG = logging.getLogger(__name__)

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
        if any(moved):
            self.moved_at = now
        return moved

    async def relay(self, client: Stream, server: TCPStream) -> None:
        """Relay bytes in both directions until either end closes.

        What the client has sent before it closed reaches the server.

        :raises console_svc.proxy.errors.Ended: the session was ended
        :raises Exception: what relaying has raised, unless an end closed the
            connection
        """
        pumps = [
            asyncio.ensure_future(self._from_client(client, server)),
            asyncio.ensure_future(self._to_client(client, server)),
        ]
        try:
            await asyncio.wait(
                [*pumps, self.ended], return_when=asyncio.FIRST_COMPLETED
            )
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

    async def _from_client(self, client: Stream, server: Stream) -> None:
        while data := await client.read():
            self.received += len(data)
            await server.write(data)

    async def _to_client(self, client: Stream, server: Stream) -> None:
        while data := await server.read():
            self.sent += len(data)
            try:
                await client.write(data)
            except OSError:
                await self._let_client_finish(server)
                raise

    async def _let_client_finish(self, server: Stream) -> None:
        """Give a client that has closed time: not all it sent was relayed.

        A server that echoes reads on only if its output is read.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_INPUT_TIMEOUT):
                while await server.read():
                    pass


class Sessions:
    """The sessions of this process.

    :param activity: of those with connections in several processes; None:
        there are none
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        api: ConsoleApi,
        metrics: Metrics,
        activity: Activity | None = None,
    ) -> None:
        self._options = conf.proxy
        self._api = api
        self._metrics = metrics
        self._sessions: dict[str, Session] = {}
        self._joined = Joined(api, self._sessions, activity)
        self._keep_alives = KeepAlives(
            api, self._sessions.keys(), self._joined.extend, self._end
        )
        # Requests to open one; they count towards max_sessions.
        self._opening = 0
        # Requests to close one.
        self._closing: set[asyncio.Task[None]] = set()
        self._draining = False

    def __len__(self) -> int:
        return len(self._sessions) + len(self._joined) + self._opening

    @contextlib.asynccontextmanager
    async def opened(
        self, opening: Callable[[], Awaitable[OpenedSession]]
    ) -> AsyncIterator[Session]:
        """A session; it is closed at the API after the context has exited.

        The client's connection does not wait for that: see :meth:`closed`.

        :param opening: opens it at the API
        :raises console_svc.proxy.errors.Ended: it cannot be opened
        """
        session = await self._open(opening)
        self._sessions[session.opened.id] = session
        self._keep_alives.opened(session.opened.id)
        self._metrics.opened(session.opened.console_type)
        try:
            yield session
        finally:
            del self._sessions[session.opened.id]
            self._keep_alives.closed(session.opened.id)
            self._joined.end(session.opened.id, Disconnected())
            self._count(session, time.monotonic())
            self._metrics.closed()
            closing = asyncio.create_task(self._close(session.opened.id))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    @contextlib.asynccontextmanager
    async def joined(
        self, joining: Callable[[], Awaitable[OpenedSession]]
    ) -> AsyncIterator[Session]:
        """A further connection of an open session, which it ends with.

        :param joining: finds the session at the API
        :raises console_svc.proxy.errors.Ended: there is none
        """
        session = await self._open(joining)
        self._joined.add(session)
        try:
            yield session
        finally:
            self._joined.remove(session)
            self._count(session, time.monotonic())

    async def _open(
        self, opening: Callable[[], Awaitable[OpenedSession]]
    ) -> Session:
        if self._draining:
            raise TryAgainLater('This console proxy is going down.')
        # While the API is slow to close sessions, no more must pile up there.
        if max(len(self), len(self._closing)) >= self._options.max_sessions:
            raise TryAgainLater('This console proxy has too many sessions.')
        self._opening += 1
        try:
            return Session(await opening())
        finally:
            self._opening -= 1

    async def _close(self, session_id: str) -> None:
        try:
            await self._api.close(session_id)
        except Exception:
            LOG.exception(
                'Session %s cannot be closed at the API, and will lapse',
                session_id,
            )
            self._metrics.unexpected('close')

    async def closed(self) -> None:
        """Wait until the sessions that have ended are closed at the API."""
        if self._closing:
            await asyncio.wait(self._closing)

    async def check(self) -> None:
        """Count bytes, and end the sessions that are expired or idle."""
        now = time.monotonic()
        for session_id in self._joined:
            connections = self._joined.of(session_id)
            for session in connections:
                self._count(session, now)
            self._joined.share_activity(session_id)
            for session in connections:
                self._check(session, now)

    async def keep(self) -> None:
        """Keep sessions alive at the API, and end those that it does not know.

        While the API is unavailable, all continue.
        """
        self._metrics.tasks(len(asyncio.all_tasks()))
        try:
            await self._keep_alives.send()
            for session_id in await self._joined.check_others():
                self._end(session_id)
        except ApiUnavailable as error:
            LOG.warning(
                'The keep-alive request to the API failed; the sessions '
                'continue: %s',
                error,
            )
            self._metrics.api_failed()

    async def drain(self, timeout: float) -> None:
        """Refuse new sessions, and end the others after a time-out."""
        self._draining = True
        deadline = time.monotonic() + timeout
        while len(self) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        for session_id in self._joined:
            self._joined.end(session_id, GoingDown())

    def _end(self, session_id: str) -> None:
        for session in self._joined.of(session_id):
            # The API drops expired sessions, too: name the reason.
            self._check(session, time.monotonic())
            session.end(Refused('The session was ended.'))

    def _count(self, session: Session, now: float) -> None:
        self._metrics.moved(*session.newly_moved(now))

    def _check(self, session: Session, now: float) -> None:
        """End a session that has expired, or was idle for too long."""
        idle = self._options.idle_timeout
        if session.deadline is not None and now >= session.deadline:
            session.end(Refused('The session has expired.'))
        elif idle and now - session.moved_at >= idle:
            session.end(Refused('The session was idle for too long.'))
