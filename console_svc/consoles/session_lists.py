# SPDX-License-Identifier: Apache-2.0

"""Lists of sessions: current ones, and the history."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence

from console_svc.db.database import Database
from console_svc.endings import (
    EndedSession,
    SessionQuery,
)
from console_svc.objects import (
    ConsoleSession,
)


class SessionLists:
    """Lists the sessions of one server or of all servers.

    :param clock: seconds of the UTC epoch
    :param has_recordings: whether the database has an index of recordings
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] = time.time,
        has_recordings: bool = False,
    ) -> None:
        self._queries = database.session_lists
        self._recordings = database.recordings
        self._clock = clock
        self._has_recordings = has_recordings

    def live(self, query: SessionQuery) -> Sequence[ConsoleSession]:
        """A page of the current sessions, the oldest first.

        :raises console_svc.exception.MarkerNotFound: there is no session with
            the id of the marker
        """
        return self._queries.live(query, int(self._clock()))

    def ended(self, query: SessionQuery) -> Sequence[EndedSession]:
        """A page of the history, the session that ended last first.

        :raises console_svc.exception.MarkerNotFound: the history does not
            have the session of the marker
        """
        return self._queries.ended(query)

    def recordings(self, session_ids: Collection[str]) -> Mapping[str, str]:
        """The ids of the recordings of sessions, by session id."""
        if not self._has_recordings:
            return {}
        return self._recordings.of_sessions(session_ids)
