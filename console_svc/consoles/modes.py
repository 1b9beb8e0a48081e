# SPDX-License-Identifier: Apache-2.0

"""The modes of sessions: control is handed over, and back."""

import time
from collections.abc import Callable, Iterable, Mapping

from console_svc import audit, exception
from console_svc.consoles import new_sessions, terms
from console_svc.context import RequestContext
from console_svc.db.database import Database
from console_svc.objects import ConsoleSession, Server, SessionMode


class SessionModes:
    """Changes the modes of open sessions.

    :param clock: seconds of the UTC epoch
    """

    def __init__(
        self,
        database: Database,
        events: audit.Audit,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._audit = events
        self._clock = clock

    def get(self, session_ids: Iterable[str]) -> Mapping[str, SessionMode]:
        """The modes of sessions, by id."""
        return self._database.modes.get([*session_ids])

    def change(
        self,
        context: RequestContext,
        server: Server,
        session_id: str,
        mode: SessionMode,
    ) -> ConsoleSession:
        """Change what the client of a session may do.

        Its console proxy obeys after its next keep-alive. New sessions of its
        token only view, until a session of it gets control again: otherwise a
        client could take control back by connecting again. The mode of a
        channel is that of all channels of its page.

        :returns: the session as it is now
        :raises console_svc.exception.SessionNotFound: the server has no
            session with this id
        :raises console_svc.consoles.terms.NotViewable: the mode is view, and
            the console type has none
        """
        new_sessions.check_id(session_id)
        session = self._database.sessions.get(session_id)
        if session is None or session.server_id != server.id:
            raise exception.SessionNotFound(session_id=session_id)
        if mode == SessionMode.VIEW:
            terms.check_can_be_viewed(session.console_type)
        queries = self._database.modes
        change = queries.change
        if new_sessions.is_channel(session):
            change = queries.change_channels
        found = change(session, mode, int(self._clock()))
        changed = next((it for it in found if it.id == session_id), None)
        if changed is None:
            # It has ended meanwhile.
            raise exception.SessionNotFound(session_id=session_id)
        self._audit.success(
            context,
            audit.SET_MODE,
            session_id=session_id,
            **audit.target_of(changed, changed.client_address),
        )
        return changed
