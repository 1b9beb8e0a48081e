# SPDX-License-Identifier: Apache-2.0

"""What the writers of all formats share: events, put together in pieces."""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar, Final, TypeAlias

from console_svc.recordings.pieces import DEFAULT_LEVEL, Pieces, RecordingKey

#: Bytes of events from which a piece should be cut.
FULL: Final = 1 << 18

#: Bytes that a console or a client has sent in one event. JSON has at most 6
#: for one, so that a piece of FULL and of one more event is smaller than
#: MAX_PAYLOAD.
EVENT: Final = 1 << 16

#: Events with their times.
Events: TypeAlias = list[tuple[int, bytes]]


class Writer(abc.ABC):
    """Makes the pieces of a recording.

    Times are microseconds from its start.

    :param document: describes the session, and names the format
    """

    #: Of the compression.
    LEVEL: ClassVar[int] = DEFAULT_LEVEL

    def __init__(self, key: RecordingKey, document: Mapping[str, Any]) -> None:
        self._pieces = Pieces(key, level=self.LEVEL)
        self._document = document
        self._events: Events = []
        #: Bytes of the events that were added since the last cut.
        self.size = 0

    def start(self) -> bytes:
        """The first piece."""
        return self._pieces.head(self._document)

    @abc.abstractmethod
    def output(self, time: int, data: bytes) -> None:
        """Add what the console has sent."""

    @abc.abstractmethod
    def input(self, time: int, data: bytes) -> None:
        """Add what the client has sent."""

    def cut(self) -> bytes:
        """The pieces of the events that were added since the last cut."""
        return self.seal(self.take())

    def take(self) -> Events:
        """Take the events that were added since the last time."""
        events, self._events, self.size = self._events, [], 0
        return events

    def seal(self, events: Events) -> bytes:
        """The pieces of events that were taken.

        It takes CPU time: it can be called in a thread, for one after the
        other.
        """
        pieces = b''
        while events:
            size = count = 0
            while count < len(events) and size < FULL:
                size += len(events[count][1])
                count += 1
            pieces += self._pieces.events(
                events[0][0],
                events[count - 1][0],
                b''.join(event for _, event in events[:count]),
            )
            events = events[count:]
        return pieces

    def end(self, time: int, reason: str) -> bytes:
        """The last pieces.

        :param reason: why the recording ends
        """
        return self.cut() + self._pieces.end(time, reason)

    def _add(self, time: int, event: bytes) -> None:
        self._events.append((time, event))
        self.size += len(event)
