# SPDX-License-Identifier: Apache-2.0

"""The connections of each session of a worker."""

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from console_svc.proxy.api_answers import OpenedSession


class Connection(Protocol):
    """A connection of a session."""

    @property
    def opened(self) -> OpenedSession:
        """The session, as the API has opened it."""


_T = TypeVar('_T', bound=Connection)


class Connections(Generic[_T]):
    """Connections by the id of their session: most sessions have one.

    A native SPICE client has one for each channel. Those of a session may be
    in several workers.
    """

    def __init__(self) -> None:
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

    def add(self, connection: _T) -> None:
        self._of.setdefault(connection.opened.id, []).append(connection)
        self._number += 1

    def remove(self, connection: _T) -> None:
        session_id = connection.opened.id
        self._of[session_id].remove(connection)
        self._number -= 1
        if not self._of[session_id]:
            del self._of[session_id]
