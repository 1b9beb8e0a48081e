# SPDX-License-Identifier: Apache-2.0

"""The check of a recording: whether it is whole, and where it is not."""

import dataclasses
import enum
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from console_svc.recordings.pieces import (
    HEADER_SIZE,
    MAGIC,
    Header,
    Invalid,
    Kind,
    Macs,
    Piece,
    Pieces,
    RecordingKey,
    parse_header,
)

# Bytes that the search for the next whole piece reads at a time.
_WINDOW: Final = 1 << 16


class Source(Protocol):
    """The bytes of a recording."""

    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Read bytes; fewer if the recording ends before."""


class Bytes:
    """A recording in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]


class State(enum.StrEnum):
    """How a recording ends."""

    #: With its session.
    COMPLETE = 'complete'
    #: Its console proxy died or could not write, and it was completed later.
    INTERRUPTED = 'interrupted'
    #: Its end is missing: it is still written to, or it was cut.
    UNFINISHED = 'unfinished'


#: The reason in the end of a recording that its console proxy did not end.
INTERRUPTED: Final = 'The recording was interrupted.'


class Fault(enum.StrEnum):
    """What is wrong with a part of a recording."""

    #: Bytes were changed, or inserted.
    CHANGED = 'changed'
    #: The recording ends in the middle of a piece.
    CUT = 'cut'
    #: Whole pieces are missing.
    MISSING = 'missing'
    #: Each piece is right, but they are not those that the recording ended
    #: with.
    OTHER = 'other'


@dataclasses.dataclass(frozen=True, slots=True)
class Damage:
    """A part of a recording that is not as it was written.

    :param start: offset of its first byte
    :param end: offset after its last byte
    :param number: of the first piece that is affected
    :param first: microseconds from the start of the recording to the last
        event before the damage
    :param last: to the first event after it; None: there is none
    """

    fault: Fault
    start: int
    end: int
    number: int
    first: int
    last: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Located:
    """A piece of a recording, and the offset of its first byte."""

    offset: int
    piece: Piece


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """The result of a check.

    :param pieces: the number of whole pieces
    :param last: microseconds to the last event in them
    :param whole: bytes up to the end of the last whole piece
    """

    state: State
    reason: str | None
    damages: Sequence[Damage]
    pieces: int
    last: int
    whole: int
    macs: Macs

    @property
    def is_good(self) -> bool:
        """Whether each byte is as it was written, up to the end."""
        return not self.damages and self.state != State.UNFINISHED


def pieces(source: Source, key: RecordingKey) -> Iterator[Located]:
    """All whole pieces; bytes that belong to none are skipped."""
    offset = 0
    while offset < source.size:
        piece = _piece_at(source, key, offset)
        if piece is None:
            found = _search(source, key, offset + 1)
            if found is None:
                return
            offset = found.offset
            piece = found.piece
        yield Located(offset, piece)
        offset += piece.header.total


def check(source: Source, key: RecordingKey) -> Result:
    """Check each byte of a recording.

    Where bytes are damaged, the check goes on with the next whole piece.
    """
    checking = _Check()
    for located in pieces(source, key):
        if checking.end is not None:
            # Nothing may follow the end.
            break
        checking.add(located)
    checking.finish(source)
    return checking.result()


class _Check:
    """A check up to an offset."""

    def __init__(self) -> None:
        self._damages: list[Damage] = []
        self._macs = Macs()
        self._offset = 0
        # The number of the next piece, and the time of the last event.
        self._number = self._last = 0
        self.end: Piece | None = None

    def add(self, located: Located) -> None:
        """Check the next whole piece."""
        piece, header = located.piece, located.piece.header
        end = located.offset + header.total
        if located.offset > self._offset:
            self._damaged(Fault.CHANGED, located.offset, header.first)
        elif header.number > self._number:
            self._damaged(Fault.MISSING, located.offset, header.first)
        elif header.number < self._number:
            # A copy of a piece.
            self._damaged(Fault.CHANGED, end, header.first)
            self._offset = end
            return
        if header.kind is Kind.END:
            self.end = piece
            macs = piece.document()['macs']
            if not self._damages and macs != self._macs.hexdigest():
                self._damaged(Fault.OTHER, located.offset, header.first)
        self._macs.add(piece.mac)
        self._number = header.number + 1
        self._last = header.last
        self._offset = end

    def finish(self, source: Source) -> None:
        """Check what follows the last whole piece."""
        if self._offset < source.size:
            is_cut = self.end is None and _is_cut(source, self._offset)
            fault = Fault.CUT if is_cut else Fault.CHANGED
            self._damaged(fault, source.size, None)

    def result(self) -> Result:
        state, reason = State.UNFINISHED, None
        if self.end is not None:
            reason = str(self.end.document()['reason'])
            state = State.COMPLETE
            if reason == INTERRUPTED:
                state = State.INTERRUPTED
        return Result(
            state,
            reason,
            self._damages,
            self._macs.count,
            self._last,
            self._offset,
            self._macs,
        )

    def _damaged(self, fault: Fault, end: int, last: int | None) -> None:
        self._damages.append(
            Damage(fault, self._offset, end, self._number, self._last, last)
        )


def seek(source: Source, time: int) -> int:
    """The offset of the first piece with an event at a time or later.

    It reads headers alone, and checks no MAC. Without such a piece it is that
    of the end.

    :param time: microseconds from the start of the recording
    :raises Invalid: a header is damaged
    """
    offset = 0
    while offset < source.size:
        header = _header_at(source, offset)
        if header is None:
            raise Invalid
        if header.kind is not Kind.HEAD and header.last >= time:
            break
        offset += header.total
    return offset


def _header_at(source: Source, offset: int) -> Header | None:
    try:
        return parse_header(source.read(offset, HEADER_SIZE))
    except Invalid:
        return None


def _piece_at(source: Source, key: RecordingKey, offset: int) -> Piece | None:
    header = _header_at(source, offset)
    if header is None:
        return None
    try:
        return key.open(source.read(offset, header.total))
    except Invalid:
        return None


def _search(source: Source, key: RecordingKey, start: int) -> Located | None:
    """The first whole piece at an offset or after it."""
    while start < source.size:
        window = source.read(start, _WINDOW)
        found = window.find(MAGIC)
        if found < 0:
            # The magic may lie across the end of the window.
            start += max(1, len(window) - len(MAGIC) + 1)
            continue
        piece = _piece_at(source, key, start + found)
        if piece is not None:
            return Located(start + found, piece)
        start += found + 1
    return None


def _is_cut(source: Source, offset: int) -> bool:
    """Whether the rest of a recording is the beginning of a piece."""
    left = source.size - offset
    if left < HEADER_SIZE:
        return MAGIC.startswith(source.read(offset, len(MAGIC)))
    header = _header_at(source, offset)
    return header is not None and header.total > left


def completion(source: Source, key: RecordingKey) -> tuple[int, bytes]:
    """What completes a recording that its console proxy did not end.

    :returns: the bytes of it to keep, and those to append
    :raises Invalid: it has a damage that is not the cut of a dead writer: a
        completed recording would hide it
    """
    found = check(source, key)
    if found.state is not State.UNFINISHED:
        return found.whole, b''
    if found.pieces == 0 or any(
        it.fault is not Fault.CUT for it in found.damages
    ):
        raise Invalid
    end = Pieces(key, found.macs).end(found.last, INTERRUPTED)
    return found.whole, end
