# SPDX-License-Identifier: Apache-2.0

"""The connections of each session of a worker."""

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from console_svc.proxy.activity import Activity
from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.errors import Ended


class Connection(Protocol):
    """A connection of a session."""

    @property
    def opened(self) -> OpenedSession:
        """The session, as the API has opened it."""

    moved_at: float

    def end(self, ending: Ended) -> None:
        """End the connection, unless it is ending already."""


_T = TypeVar('_T', bound=Connection)


class Connections(Generic[_T]):
    """Connections by the id of their session: most sessions have one.

    A native SPICE client has one for each channel. Those of a session may be
    in several workers.

    :param activity: of the sessions in other workers; None: there is none
    """

    def __init__(self, activity: Activity | None = None) -> None:
        self._activity = activity
        self._of: dict[str, list[_T]] = {}
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def ids(self) -> list[str]:
        """The ids of the sessions."""
        return list(self._of)

    def of(self, session_id: str) -> Sequence[_T]:
        """The connections of a session that this worker has."""
        return [*self._of.get(session_id, ())]

    def moved_at(self, session_id: str) -> float:
        """Monotonic time at which bytes of a session were last seen to move.

        A connection that is idle stays while another one of its session is
        not.
        """
        latest = max(it.moved_at for it in self._of[session_id])
        if self._activity is None:
            return latest
        return self._activity.latest(session_id, latest)

    def end(self, session_id: str, ending: Ended) -> None:
        """End the connections of a session that this worker has."""
        for connection in self.of(session_id):
            connection.end(ending)

    def add(self, connection: _T) -> None:
        self._of.setdefault(connection.opened.id, []).append(connection)
        self._number += 1

    def remove(self, connection: _T) -> None:
        session_id = connection.opened.id
        self._of[session_id].remove(connection)
        self._number -= 1
        if not self._of[session_id]:
            del self._of[session_id]
