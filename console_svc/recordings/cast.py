# SPDX-License-Identifier: Apache-2.0

"""Serial recordings as asciicast, version 2 (asciinema's file format).

An event is a line of JSON: seconds from the start, "o" for output or "i" for
input, and text.
"""

import codecs
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from console_svc.recordings import contents
from console_svc.recordings.check import Source
from console_svc.recordings.pieces import RecordingKey
from console_svc.recordings.writer import EVENT
from console_svc.recordings.writer import Writer as BaseWriter

#: The format of the events, as the head of a recording names it.
FORMAT: Final = 'asciicast-2'

#: The size of a terminal: a serial console does not tell it.
WIDTH: Final = 80
HEIGHT: Final = 24

_MICRO: Final = 1_000_000


class Writer(BaseWriter):
    """Makes the pieces of a serial recording.

    :param document: describes the session
    """

    def __init__(self, key: RecordingKey, document: Mapping[str, Any]) -> None:
        super().__init__(
            key,
            {'format': FORMAT, 'width': WIDTH, 'height': HEIGHT, **document},
        )
        # A character may be split over two reads.
        self._decoders = {'o': _decoder(), 'i': _decoder()}

    def output(self, time: int, data: bytes) -> None:
        self._add_text('o', time, data)

    def input(self, time: int, data: bytes) -> None:
        self._add_text('i', time, data)

    def end(self, time: int, reason: str) -> bytes:
        for code in self._decoders:
            # What is left of a character that never became whole.
            self._decode(code, time, b'', is_last=True)
        return super().end(time, reason)

    def _add_text(self, code: str, time: int, data: bytes) -> None:
        for start in range(0, len(data), EVENT):
            self._decode(code, time, data[start : start + EVENT])

    def _decode(
        self, code: str, time: int, data: bytes, is_last: bool = False
    ) -> None:
        text = self._decoders[code].decode(data, is_last)
        if text:
            self._add(time, _line(time, code, text))


def lines(source: Source, key: RecordingKey) -> Iterator[bytes]:
    """A recording as an asciicast file, from its whole pieces.

    :raises ValueError: it has no head, or is not a serial recording
    """
    head = contents.head(source, key)
    if head.get('format') != FORMAT:
        raise ValueError('it is not a recording of a serial console')
    yield _header(head)
    yield from contents.events(source, key)


def inputs(
    source: Source, key: RecordingKey
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The recorded input: microseconds from the start, and its text.

    :raises ValueError: it has no head, or is not a serial recording
    """
    for part in itertools.islice(lines(source, key), 1, None):
        for line in part.splitlines():
            seconds, code, text = json.loads(line)
            if code == 'i':
                time = round(seconds * _MICRO)
                yield time, {'type': 'text', 'text': text}


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
