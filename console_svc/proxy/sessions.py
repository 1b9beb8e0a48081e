# SPDX-License-Identifier: Apache-2.0

"""The sessions of this process: opened at the API, kept alive, and ended."""

import asyncio
import contextlib
import logging
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
    Sequence,
)

from oslo_config import cfg

from console_svc.proxy import end_reasons
from console_svc.proxy.activity import Activity
from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.closer import Close
from console_svc.proxy.console_api import ConsoleApi
from console_svc.proxy.errors import (
    ApiUnavailable,
    Disconnected,
    Expired,
    GoingDown,
    Idle,
    Refused,
    TryAgainLater,
)
from console_svc.proxy.joined import Joined
from console_svc.proxy.keep_alive_answers import NOBODY, Others
from console_svc.proxy.keep_alives import KeepAlives
from console_svc.proxy.monitoring import Metrics
from console_svc.proxy.recorder import Recorder
from console_svc.proxy.session import Session

LOG = logging.getLogger(__name__)


class Sessions:
    """The sessions of this process.

    :param activity: of those with connections in several processes; None:
        there are none
    :param recorder: None: no session is recorded
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        api: ConsoleApi,
        metrics: Metrics,
        activity: Activity | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self._options = conf.proxy
        self._api = api
        self._metrics = metrics
        self._recorder = recorder
        self._sessions: dict[str, Session] = {}
        self._activity = activity
        self._joined = Joined(api, self._sessions)
        self._keep_alives = KeepAlives(
            api,
            self._sessions.keys(),
            self._joined.extend,
            self._end,
            self._joined.change,
            self._show_others,
            self._has_pages,
        )
        # Requests to open one; they count towards max_sessions.
        self._opening = 0
        # Requests to close one, and the ends of recordings.
        self._closing: set[asyncio.Task[None]] = set()
        self._draining = False
        # Whether the time-out of the drain has passed.
        self._drained = False

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
        if previous := self._sessions.get(session.opened.previous_id or ''):
            previous.end(Refused('The session continues elsewhere.'))
        self._sessions[session.opened.id] = session
        self._keep_alives.opened(session.opened.id)
        self._metrics.opened(session.opened.console_type)
        reason = 'error'
        try:
            if self._recorder is not None:
                session.recording = await self._recorder.start(
                    session.opened, session.end
                )
            yield session
            reason = end_reasons.of_relay(session.ended)
        except BaseException as error:
            reason = end_reasons.of_error(error)
            raise
        finally:
            close = self._end_of(session, reason)
            del self._sessions[session.opened.id]
            self._keep_alives.closed(session.opened.id)
            self._close_recording(session)
            self._joined.end(session.opened.id, Disconnected())
            self._count(session, time.monotonic())
            self._metrics.closed()
            closing = asyncio.create_task(self._close(close))
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
            if first := self._sessions.get(session.opened.id):
                first.further_received += session.received
                first.further_sent += session.sent

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
            session = Session(await opening())
        finally:
            self._opening -= 1
        if self._drained:
            session.end(GoingDown())
        return session

    def _end_of(self, session: Session, reason: str) -> Close:
        """What the API gets of a session that has ended.

        The bytes are those of all its connections in this process.
        """
        connections = self._joined.of(session.opened.id)
        return Close(
            session.opened.id,
            reason,
            session.further_received + sum(it.received for it in connections),
            session.further_sent + sum(it.sent for it in connections),
        )

    async def _close(self, close: Close) -> None:
        try:
            await self._api.close(close)
        except Exception:
            LOG.exception(
                'Session %s cannot be closed at the API, and will lapse',
                close.id,
            )
            self._metrics.unexpected('close')

    async def closed(self) -> None:
        """Wait until ended sessions and their recordings are closed."""
        if self._closing:
            await asyncio.wait(self._closing)

    def _close_recording(self, session: Session) -> None:
        if session.recording is not None:
            ending = session.recording.close(session.reason)
            closing = asyncio.create_task(ending)
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def check(self) -> None:
        """Count bytes, and end the sessions that are expired or idle."""
        now = time.monotonic()
        connections = [
            session
            for session_id in self._joined
            for session in self._joined.of(session_id)
        ]
        for session in connections:
            self._count(session, now)
        if self._options.idle_timeout:
            self._share_activity(connections)
        for session in connections:
            self._check(session, now)

    def _share_activity(self, connections: Sequence[Session]) -> None:
        """A connection that is idle stays while another one is not."""
        latest: dict[str, float] = {}
        for it in connections:
            known = latest.get(it.activity_id, it.active_at)
            latest[it.activity_id] = max(known, it.active_at)
        if self._activity is not None:
            for id_, at in latest.items():
                latest[id_] = self._activity.latest(id_, at)
        for it in connections:
            it.active_at = latest[it.activity_id]

    async def keep(self) -> None:
        """Keep sessions alive at the API, and end those that it does not know.

        While the API is unavailable, all continue.
        """
        self._metrics.tasks(len(asyncio.all_tasks()))
        try:
            await self._keep_alives.send()
            await self._api.repeat_closes()
            for session_id in await self._joined.check_others():
                self._end(session_id, None)
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
        self._drained = True
        for session_id in self._joined:
            self._joined.end(session_id, GoingDown())

    def _has_pages(self) -> bool:
        return any(it.others_changed for it in self._sessions.values())

    def _show_others(self, others: Mapping[str, Others]) -> None:
        for session_id, session in self._sessions.items():
            if session.others_changed is not None:
                session.others_changed(others.get(session_id, NOBODY))

    def _end(self, session_id: str, reason: str | None) -> None:
        for session in self._joined.of(session_id):
            # The API drops expired sessions, too: name the reason.
            self._check(session, time.monotonic())
            session.end(Refused(reason or 'The session was ended.'))

    def _count(self, session: Session, now: float) -> None:
        self._metrics.moved(*session.newly_moved(now))

    def _check(self, session: Session, now: float) -> None:
        """End a session that has expired, or was idle for too long."""
        idle = self._options.idle_timeout
        if session.deadline is not None and now >= session.deadline:
            session.end(Expired())
        elif idle and now - session.active_at >= idle:
            session.end(Idle())
