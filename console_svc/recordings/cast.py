# SPDX-License-Identifier: Apache-2.0

"""Serial recordings as asciicast, version 2 (asciinema's file format).

An event is a line of JSON: seconds from the start, "o" for output or "i" for
input, and text.
"""

import codecs
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from console_svc.recordings import check
from console_svc.recordings.check import Source
from console_svc.recordings.pieces import Kind, Pieces, RecordingKey

#: The format of the events, as the head of a recording names it.
FORMAT: Final = 'asciicast-2'

#: The size of a terminal: a serial console does not tell it.
WIDTH: Final = 80
HEIGHT: Final = 24

#: Bytes of events from which a piece should be cut.
FULL: Final = 1 << 18

# Bytes of one event. JSON has at most 6 for one, so that a piece of FULL and
# of one more event is smaller than MAX_PAYLOAD.
_EVENT: Final = 1 << 16

_MICRO: Final = 1_000_000


class Writer:
    """Makes the pieces of a serial recording.

    Times are microseconds from its start.

    :param document: describes the session
    """

    def __init__(self, key: RecordingKey, document: Mapping[str, Any]) -> None:
        self._pieces = Pieces(key)
        self._document = {
            'format': FORMAT,
            'width': WIDTH,
            'height': HEIGHT,
            **document,
        }
        # A character may be split over two reads.
        self._decoders = {'o': _decoder(), 'i': _decoder()}
        self._lines: list[tuple[int, bytes]] = []
        #: Bytes of the events that were added since the last cut.
        self.size = 0

    def start(self) -> bytes:
        """The first piece."""
        return self._pieces.head(self._document)

    def output(self, time: int, data: bytes) -> None:
        """Add what the console has sent."""
        self._add('o', time, data)

    def input(self, time: int, data: bytes) -> None:
        """Add what the client has sent."""
        self._add('i', time, data)

    def cut(self) -> bytes:
        """The pieces of the events that were added since the last cut."""
        pieces = b''
        lines, self._lines, self.size = self._lines, [], 0
        while lines:
            size = count = 0
            while count < len(lines) and size < FULL:
                size += len(lines[count][1])
                count += 1
            pieces += self._pieces.events(
                lines[0][0],
                lines[count - 1][0],
                b''.join(line for _, line in lines[:count]),
            )
            lines = lines[count:]
        return pieces

    def end(self, time: int, reason: str) -> bytes:
        """The last pieces.

        :param reason: why the recording ends
        """
        for code in self._decoders:
            # What is left of a character that never became whole.
            self._decode(code, time, b'', is_last=True)
        return self.cut() + self._pieces.end(time, reason)

    def _add(self, code: str, time: int, data: bytes) -> None:
        for start in range(0, len(data), _EVENT):
            self._decode(code, time, data[start : start + _EVENT])

    def _decode(
        self, code: str, time: int, data: bytes, is_last: bool = False
    ) -> None:
        text = self._decoders[code].decode(data, is_last)
        if text:
            line = _line(time, code, text)
            self._lines.append((time, line))
            self.size += len(line)


def lines(source: Source, key: RecordingKey) -> Iterator[bytes]:
    """A recording as an asciicast file, from its whole pieces.

    :raises ValueError: it has no head, or is not a serial recording
    """
    head: Mapping[str, Any] | None = None
    for located in check.pieces(source, key):
        piece = located.piece
        if piece.header.kind is Kind.HEAD:
            head = piece.document()
            if head.get('format') != FORMAT:
                raise ValueError('it is not a recording of a serial console')
            yield _header(head)
        elif head is None:
            break
        elif piece.header.kind is Kind.EVENTS:
            yield piece.payload
    if head is None:
        raise ValueError('its beginning is damaged, or its key is missing')


def _header(head: Mapping[str, Any]) -> bytes:
    header = {
        'version': 2,
        'width': head['width'],
        'height': head['height'],
        'timestamp': int(head['started_at']),
        'title': f'Server {head["server_id"]}',
    }
    return json.dumps(header).encode() + b'\n'


def _line(time: int, code: str, text: str) -> bytes:
    seconds = f'{time // _MICRO}.{time % _MICRO:06}'
    content = json.dumps(text)
    return f'[{seconds}, "{code}", {content}]\n'.encode()


def _decoder() -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder('utf-8')('replace')
