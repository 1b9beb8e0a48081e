# SPDX-License-Identifier: Apache-2.0

"""Further connections of sessions, such as the channels of SPICE clients.

They may be in other processes than the first connection. Only the process of
the first one keeps the session alive as one of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.closer import BATCH
from console_svc.proxy.console_api import ConsoleApi
from console_svc.proxy.errors import Ended


class Connection(Protocol):
    """A connection of a session."""

    deadline: float | None

    @property
    def opened(self) -> OpenedSession:
        """The session, as the API has opened it."""

    def end(self, ending: Ended) -> None:
        """End the connection, unless it is ending already."""

    def set_mode(self, mode: str) -> None:
        """Obey the mode of the session."""


_T = TypeVar('_T', bound=Connection)


class Joined(Generic[_T]):
    """The connections of each session that this process has.

    :param own: id -> the first connection of a session; a live view
    """

    def __init__(self, api: ConsoleApi, own: Mapping[str, _T]) -> None:
        self._api = api
        self._own = own
        self._further: dict[str, list[_T]] = {}
        self._number = 0

    def __len__(self) -> int:
        """The number of further connections."""
        return self._number

    def __iter__(self) -> Iterator[str]:
        """The ids of all sessions, those of other processes, too."""
        return iter({*self._own, *self._further})

    def of(self, session_id: str) -> Sequence[_T]:
        """The connections of a session in this process."""
        first = self._own.get(session_id)
        further = self._further.get(session_id, ())
        return [*further] if first is None else [first, *further]

    def add(self, connection: _T) -> None:
        """Add a further connection."""
        self._further.setdefault(connection.opened.id, []).append(connection)
        self._number += 1

    def remove(self, connection: _T) -> None:
        """Remove a further connection."""
        session_id = connection.opened.id
        self._further[session_id].remove(connection)
        self._number -= 1
        if not self._further[session_id]:
            del self._further[session_id]

    def end(self, session_id: str, ending: Ended) -> None:
        """End the connections of a session in this process."""
        for connection in self.of(session_id):
            connection.end(ending)

    def extend(self, session_id: str, deadline: float | None) -> None:
        """Set when a session must end, in monotonic time; None: never."""
        for connection in self.of(session_id):
            connection.deadline = deadline

    def change(self, session_id: str, mode: str) -> None:
        """Set the mode of a session."""
        for connection in self.of(session_id):
            connection.set_mode(mode)

    async def check_others(self) -> Sequence[str]:
        """Ask the API about the sessions of other processes.

        One by one, so that they stay those of their processes.

        :returns: the ids of those that have ended
        :raises console_svc.proxy.errors.ApiUnavailable: it does not answer
        """
        others = [*(self._further.keys() - self._own.keys())]
        ended = []
        for start in range(0, len(others), BATCH):
            batch = others[start : start + BATCH]
            kept = await self._api.keep(batch, self.change)
            for session_id in batch:
                if session_id not in kept:
                    ended.append(session_id)
                    continue
                self.extend(session_id, kept[session_id])
        return ended
