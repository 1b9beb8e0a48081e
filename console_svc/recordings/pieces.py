# SPDX-License-Identifier: Apache-2.0

"""The pieces of a recording, without I/O.

A recording is a sequence of pieces, and nothing else: to append to it is to
append pieces. Each piece is::

    magic    4 bytes   "CSR1"
    kind     1 byte    see Kind
    reserved 3 bytes   0
    number   4 bytes   0 for the first piece, 1 for the next one, ...
    first    8 bytes   microseconds from the start of the recording to the
    last     8 bytes   first and to the last event in the piece
    size     4 bytes   of the payload
    payload            compressed as in RFC 1951, or stored
    MAC      32 bytes  HMAC-SHA256 of all of the above

Numbers are big-endian. The key of the MAC is derived from the id of the
recording, so that a piece fits in no other recording, and nowhere else in its
own. The payload of the last piece has a digest of the MACs of all pieces
before it: they are those that the recording ended with.
"""

import base64
import dataclasses
import enum
import hashlib
import hmac
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

#: The most bytes of a payload, before compression and after.
MAX_PAYLOAD: Final = 1 << 20

#: zlib's compromise between speed and size.
DEFAULT_LEVEL: Final = zlib.Z_DEFAULT_COMPRESSION

#: The first bytes of each piece.
MAGIC: Final = b'CSR1'

# Bytes that are compressed to see whether the others should be, and what must
# be left of them at most: pictures are compressed already.
_SAMPLE: Final = 1 << 14
_WORTH: Final = 0.9

_HEADER: Final = struct.Struct('>4sB3xIQQI')
_MAC_SIZE: Final = hashlib.sha256().digest_size

#: Bytes of the header of a piece.
HEADER_SIZE: Final = _HEADER.size

_KEY_SIZE: Final = 32
_KEY_PURPOSE: Final = b'console-svc recording '


class Kind(enum.IntEnum):
    """What the payload of a piece is."""

    #: The first piece: a JSON object that describes the session.
    HEAD = 0
    #: Events, as the format in the head says: see
    #: :mod:`console_svc.recordings.formats`.
    EVENTS = 1
    #: The last piece: a JSON object on how the recording ended.
    END = 2


class Invalid(Exception):
    """These bytes are not a piece of the recording."""


@dataclasses.dataclass(frozen=True, slots=True)
class Header:
    """The header of a piece.

    :param first: microseconds from the start of the recording to the first
        event in it
    :param last: to the last event
    :param size: bytes of the payload, compressed
    """

    kind: Kind
    number: int
    first: int
    last: int
    size: int

    @property
    def total(self) -> int:
        """Bytes of the whole piece."""
        return HEADER_SIZE + self.size + _MAC_SIZE


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """A piece whose MAC is right."""

    header: Header
    payload: bytes
    mac: bytes

    def document(self) -> dict[str, Any]:
        """The JSON object in its payload."""
        document: dict[str, Any] = json.loads(self.payload)
        return document


def parse_header(data: bytes) -> Header:
    """Parse the header of a piece; its MAC is not checked.

    :raises Invalid: it is not a header
    """
    if len(data) < HEADER_SIZE:
        raise Invalid
    magic, kind, number, first, last, size = _HEADER.unpack_from(data)
    if magic != MAGIC or kind not in tuple(Kind) or size > MAX_PAYLOAD:
        raise Invalid
    return Header(Kind(kind), number, first, last, size)


class RecordingKey:
    """The key of one recording.

    :param secret: a key of the key file
    """

    def __init__(self, secret: bytes, recording_id: str) -> None:
        self._key = hmac.digest(
            secret, _KEY_PURPOSE + recording_id.encode(), 'sha256'
        )

    def seal(
        self,
        kind: Kind,
        number: int,
        times: tuple[int, int],
        payload: bytes,
        level: int = DEFAULT_LEVEL,
    ) -> bytes:
        """A piece.

        :param times: microseconds of its first and of its last event
        :param level: of the compression
        """
        packed = _packed(payload, level)
        head = _HEADER.pack(MAGIC, kind, number, *times, len(packed))
        return head + packed + self._mac(head + packed)

    def open(self, data: bytes) -> Piece:
        """Check and unpack a piece.

        :raises Invalid: its MAC is wrong, or bytes are missing
        """
        header = parse_header(data)
        if len(data) != header.total:
            raise Invalid
        sealed, mac = data[:-_MAC_SIZE], data[-_MAC_SIZE:]
        if not hmac.compare_digest(mac, self._mac(sealed)):
            raise Invalid
        decompress = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
        payload = decompress.decompress(sealed[HEADER_SIZE:], MAX_PAYLOAD)
        if not decompress.eof:
            raise Invalid
        return Piece(header, payload, mac)

    def _mac(self, data: bytes) -> bytes:
        return hmac.digest(self._key, data, 'sha256')


def _packed(payload: bytes, level: int) -> bytes:
    """A payload, compressed unless that is not worth the time."""
    if len(payload) > _SAMPLE:
        sample = zlib.compress(payload[:_SAMPLE], zlib.Z_BEST_SPEED)
        if len(sample) > _WORTH * _SAMPLE:
            level = zlib.Z_NO_COMPRESSION
    compress = zlib.compressobj(level, wbits=-zlib.MAX_WBITS)
    return compress.compress(payload) + compress.flush()


class Macs:
    """The digest of the MACs of pieces, and their number."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.count = 0

    def add(self, mac: bytes) -> None:
        self._digest.update(mac)
        self.count += 1

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


class Pieces:
    """Makes the pieces of a recording, in their order.

    :param macs: of the pieces before
    :param level: of the compression
    """

    def __init__(
        self,
        key: RecordingKey,
        macs: Macs | None = None,
        level: int = DEFAULT_LEVEL,
    ) -> None:
        self._key = key
        self._macs = macs or Macs()
        self._level = level

    def head(self, document: Mapping[str, Any]) -> bytes:
        """The first piece.

        :param document: describes the session
        """
        return self._next(Kind.HEAD, (0, 0), json.dumps(document).encode())

    def events(self, first: int, last: int, payload: bytes) -> bytes:
        """A piece of events.

        :param first: microseconds to the first of them
        :param last: to the last of them
        :param payload: at most :data:`MAX_PAYLOAD` bytes
        """
        return self._next(Kind.EVENTS, (first, last), payload)

    def end(self, time: int, reason: str) -> bytes:
        """The last piece.

        :param time: microseconds from the start of the recording
        :param reason: why the recording ends
        """
        document = {'reason': reason, 'macs': self._macs.hexdigest()}
        return self._next(
            Kind.END, (time, time), json.dumps(document).encode()
        )

    def _next(
        self, kind: Kind, times: tuple[int, int], payload: bytes
    ) -> bytes:
        piece = self._key.seal(
            kind, self._macs.count, times, payload, self._level
        )
        self._macs.add(piece[-_MAC_SIZE:])
        return piece


def parse_secrets(content: bytes) -> Sequence[bytes]:
    """The keys in a key file, one per line; the first is for new recordings.

    They are written as Fernet keys, and are not used as such.

    :raises ValueError: there is no key, or a line is not a key
    """
    lines = content.decode('ascii').split()
    if not lines:
        raise ValueError('the file has no key')
    try:
        keys = [base64.urlsafe_b64decode(line) for line in lines]
    except ValueError:
        keys = []
    # The library's message may show the key.
    if {len(key) for key in keys} != {_KEY_SIZE}:
        raise ValueError('a line is not a key')
    return keys
