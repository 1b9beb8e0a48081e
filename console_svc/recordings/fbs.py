# SPDX-License-Identifier: Apache-2.0

"""VNC recordings, and their playable form: FBS 001.000.

FBS (framebuffer stream) is the file format of rfbproxy and of TightVNC's RFB
Session Player. rfbproxy.c describes it: the version ``FBS 001.000\\n``, then
blocks::

    size    4 bytes   of the data, big-endian
    data              padded to a multiple of 4 bytes
    time    4 bytes   milliseconds from the start to the data, big-endian

The data of all blocks are what a server sends that speaks RFB 3.3 and has no
authentication (RFC 6143): its version, the security type, ServerInit and its
messages.

In the pieces of a recording, an event is::

    kind    1 byte    see Event
    time    8 bytes   microseconds from the start, big-endian
    size    4 bytes   of the data, big-endian
    data
"""

import enum
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final

from console_svc.protocols import rfb
from console_svc.recordings import contents
from console_svc.recordings.check import Source
from console_svc.recordings.pieces import RecordingKey
from console_svc.recordings.writer import EVENT, FULL
from console_svc.recordings.writer import Writer as BaseWriter

#: The format of the events, as the head of a recording names it.
FORMAT: Final = 'fbs-1'

#: Bytes of a pixel format (RFC 6143, section 7.4), and where ServerInit has
#: it: after the width and the height.
PIXEL_FORMAT_SIZE: Final = 16
_PIXEL_FORMAT_AT: Final = 4

_VERSION: Final = b'FBS 001.000\n'

# The server's version, and the security type None.
_HANDSHAKE: Final = b'RFB 003.003\n\x00\x00\x00\x01'

_EVENT_HEADER: Final = struct.Struct('>BQI')
_NUMBER: Final = struct.Struct('>I')
_MAX_NUMBER: Final = 2**32 - 1


class Event(enum.IntEnum):
    """What the data of an event are."""

    #: Bytes from the server, from ServerInit on.
    OUTPUT = 0
    #: Bytes to the server, after ClientInit.
    INPUT = 1
    #: The pixel format in force, when the first update is requested. No update
    #: precedes it.
    PIXEL_FORMAT = 2


class Writer(BaseWriter):
    """Makes the pieces of a VNC recording.

    The pixels of all updates must have one pixel format.

    :param document: describes the session
    """

    # Most updates are compressed. The default takes twice the time, and saves
    # at most a tenth.
    LEVEL = 1

    def __init__(self, key: RecordingKey, document: Mapping[str, Any]) -> None:
        super().__init__(key, {'format': FORMAT, **document})

    def output(self, time: int, data: bytes) -> None:
        """Add what the console has sent: ServerInit first."""
        self._add_bytes(Event.OUTPUT, time, data)

    def input(self, time: int, data: bytes) -> None:
        """Add what the client has sent. It is not in the playable form."""
        self._add_bytes(Event.INPUT, time, data)

    def pixel_format(self, time: int, pixel_format: bytes) -> None:
        """Add the pixel format in force, when the first update is requested.

        The playable form has it in ServerInit. Without it, it has there what
        the server has sent.

        :param pixel_format: 16 bytes, as in SetPixelFormat
        """
        self._add_bytes(Event.PIXEL_FORMAT, time, pixel_format)

    def _add_bytes(self, kind: Event, time: int, data: bytes) -> None:
        for start in range(0, len(data), EVENT):
            part = data[start : start + EVENT]
            header = _EVENT_HEADER.pack(kind, time, len(part))
            self._add(time, header + part)


def parts(source: Source, key: RecordingKey) -> Iterator[bytes]:
    """A recording as an FBS file.

    It ends where pieces are damaged or missing: what follows cannot be decoded
    without them.

    :raises ValueError: it has no head, or is not a VNC recording
    """
    _check(source, key)
    yield _VERSION + _block(0, _HANDSHAKE)
    beginning = _Beginning()
    for payload in contents.events(source, key, stops_at_gap=True):
        blocks = [beginning.added(*event) for event in _events(payload)]
        yield b''.join(blocks)
    yield beginning.rest()


def inputs(
    source: Source, key: RecordingKey
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The recorded input: microseconds from the start, and what it is.

    It ends as the playable form does.

    :raises ValueError: it has no head, or is not a VNC recording
    """
    reader = rfb.InputReader()
    for time, data in client_bytes(source, key):
        for found in reader.read(data):
            yield time, found


def client_bytes(
    source: Source, key: RecordingKey
) -> Iterator[tuple[int, bytes]]:
    """What the client has sent: microseconds from the start, and bytes.

    :raises ValueError: it has no head, or is not a VNC recording
    """
    _check(source, key)
    for payload in contents.events(source, key, stops_at_gap=True):
        for kind, time, data in _events(payload):
            if kind == Event.INPUT:
                yield time, data


class _Beginning:
    """Sets the pixel format in ServerInit.

    It keeps what precedes the first update: ServerInit, and not much more.
    """

    def __init__(self) -> None:
        self._kept: list[tuple[int, bytes]] | None = []
        self._size = 0

    def added(self, kind: int, time: int, data: bytes) -> bytes:
        """The blocks that an event adds."""
        if kind == Event.PIXEL_FORMAT:
            return self.rest(data)
        if kind != Event.OUTPUT:
            return b''
        if self._kept is None:
            return _block(time, data)
        self._kept.append((time, data))
        self._size += len(data)
        # A server that sends so much unasked is not worth the memory.
        return self.rest() if self._size > FULL else b''

    def rest(self, pixel_format: bytes | None = None) -> bytes:
        """The blocks of what is kept. Nothing is kept from then on."""
        kept, self._kept = self._kept or [], None
        data = bytearray(b''.join(data for _, data in kept))
        end = _PIXEL_FORMAT_AT + PIXEL_FORMAT_SIZE
        if pixel_format is not None and len(data) >= end:
            data[_PIXEL_FORMAT_AT:end] = pixel_format
        blocks = b''
        for time, before in kept:
            blocks += _block(time, bytes(data[: len(before)]))
            del data[: len(before)]
        return blocks


def _check(source: Source, key: RecordingKey) -> None:
    if contents.head(source, key).get('format') != FORMAT:
        raise ValueError('it is not a recording of a VNC console')


def _events(payload: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The kind, the time and the data of each event of a piece."""
    offset = 0
    while offset < len(payload):
        kind, time, size = _EVENT_HEADER.unpack_from(payload, offset)
        offset += _EVENT_HEADER.size
        yield kind, time, payload[offset : offset + size]
        offset += size


def _block(time: int, data: bytes) -> bytes:
    """A block of an FBS file.

    :param time: microseconds
    """
    padding = bytes(-len(data) % 4)
    milliseconds = min(time // 1000, _MAX_NUMBER)
    return (
        _NUMBER.pack(len(data)) + data + padding + _NUMBER.pack(milliseconds)
    )
