# SPDX-License-Identifier: Apache-2.0

"""Lists of sessions: current ones, and the history."""

import time
from collections.abc import Callable, Sequence

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
    """

    def __init__(
        self, database: Database, clock: Callable[[], float] = time.time
    ) -> None:
        self._queries = database.session_lists
        self._clock = clock

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
