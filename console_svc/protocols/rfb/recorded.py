# SPDX-License-Identifier: Apache-2.0

"""What the client of a recorded session may choose: encodings, pixel format.

The recording is what the server sends. Its player is noVNC's decoder, which
must be able to decode all of it.
"""

import struct
from collections.abc import Callable, Iterable
from typing import Final

from console_svc.protocols.input_filter import ProtocolError

# The part of ServerInit that is read: width, height, and pixel format (RFC
# 6143, section 7.3.2).
_SERVER_INIT: Final = 20
_PIXEL_FORMAT_AT: Final = 4

# A pixel format (RFC 6143, section 7.4) without its padding: bits per pixel,
# depth, big-endian flag, true-colour flag, three maxima, three shifts.
_PIXEL_FORMAT: Final = struct.Struct('>BBBBHHHBBB3x')
_SHIFTS: Final = frozenset([0, 8, 16, 24])

# The pixel format that noVNC sets, which its decoders take for granted.
_NOVNC: Final = (32, 24, 0, 1, 255, 255, 255, 0, 8, 16)
_DEPTH: Final = _NOVNC[1]

# Encodings whose pixels do not depend on the shifts, and Raw, of which the
# player moves the channels. Tight has three bytes for a pixel, if the depth is
# 24.
_RAW: Final = 0
_COPY_RECT: Final = 1
_TIGHT: Final = 7
_JPEG: Final = 21
_TIGHT_PNG: Final = -260

# These depend on the shifts: RRE, Hextile, zlib, ZRLE, VMware's cursor.
_SHIFTED: Final = frozenset([2, 5, 6, 16, 0x574D5664])

# Pseudo-encodings that noVNC knows.
_PSEUDO: Final = frozenset(
    [
        # JPEG quality, and compression level.
        *range(-32, -22),
        *range(-256, -246),
        # DesktopSize, LastRect, Cursor.
        -223,
        -224,
        -239,
        # QEMU: extended key events, state of the LEDs.
        -258,
        -261,
        # DesktopName, ExtendedDesktopSize, xvp, Fence, ContinuousUpdates.
        -307,
        -308,
        -309,
        -312,
        -313,
        # Extended Clipboard.
        0xC0A1E5CE - 2**32,
    ]
)

# By pixel format: any of those allowed, one of the depth 24, noVNC's own.
_OF_ANY: Final = _PSEUDO | {_RAW, _COPY_RECT}
_OF_DEPTH_24: Final = _OF_ANY | {_TIGHT, _TIGHT_PNG}
# JPEG has no size. Where the player must find the end of each rectangle, it
# cannot be.
_OF_NOVNC: Final = _OF_DEPTH_24 | _SHIFTED | {_JPEG}


class NotRecordable(ProtocolError):
    """The client chooses something that the recording cannot have."""


class Recorded:
    """The choices of one client.

    :param chosen: called with the pixel format, when the first update is
        requested
    """

    __slots__ = ('_chosen', '_encodings', '_format', '_is_fixed', '_server')

    def __init__(self, chosen: Callable[[bytes], None]) -> None:
        self._chosen = chosen
        # The start of what the server has sent.
        self._server = b''
        # The pixel format in force; b'': that of the server.
        self._format = b''
        self._is_fixed = False
        # What the client offers, while the pixel format can change.
        self._encodings = b''

    def server_sent(self, data: bytes) -> None:
        """Note what the server has sent, from ServerInit on."""
        if len(self._server) < _SERVER_INIT:
            self._server += data[: _SERVER_INIT - len(self._server)]
            if len(self._server) == _SERVER_INIT and not self._format:
                self._format = self._server[_PIXEL_FORMAT_AT:]

    def set_pixel_format(self, message: bytes) -> bytes:
        """Check a SetPixelFormat.

        :returns: what to send to the server: also the encodings again, if
            they have been sent before
        :raises NotRecordable: the pixel format is not allowed, or not any more
        """
        wanted = message[4:]
        is_same = _fields(wanted) == _fields(self._format)
        if self._is_fixed:
            if not is_same:
                raise NotRecordable(
                    'The session is recorded: its pixel format cannot change.'
                )
            return message
        _check(wanted)
        self._format = wanted
        if self._encodings:
            return message + self._allowed(self._encodings)
        return message

    def set_encodings(self, message: bytes) -> bytes:
        """A SetEncodings with those that the player decodes."""
        if not self._is_fixed:
            self._encodings = message
        return self._allowed(message)

    def update_requested(self) -> None:
        """Note that the client requests updates.

        :raises NotRecordable: the pixel format is that of the server, and is
            not allowed
        """
        if not self._is_fixed:
            _check(self._format)
            self._is_fixed = True
            self._encodings = b''
            self._chosen(self._format)

    def _allowed(self, message: bytes) -> bytes:
        fields = _fields(self._format)
        if fields == _NOVNC:
            allowed = _OF_NOVNC
        elif fields is not None and fields[1] == _DEPTH:
            allowed = _OF_DEPTH_24
        else:
            allowed = _OF_ANY
        offered = struct.unpack(f'>{len(message) // 4 - 1}i', message[4:])
        kept = [it for it in offered if it in allowed]
        if len(kept) == len(offered):
            return message
        return message[:2] + struct.pack(f'>H{len(kept)}i', len(kept), *kept)


def _fields(pixel_format: bytes) -> tuple[int, ...] | None:
    """Its fields, with flags as 0 or 1; None: it is not known."""
    if not pixel_format:
        return None
    bits, depth, big, true, *rest = _PIXEL_FORMAT.unpack(pixel_format)
    return (bits, depth, int(big != 0), int(true != 0), *rest)


def _check(pixel_format: bytes) -> None:
    """Check that a pixel format is allowed.

    :raises NotRecordable: it is not, or it is not known
    """
    fields = _fields(pixel_format)
    if fields is not None:
        bits, _, _, is_true, *rest = fields
        maxima, shifts = rest[:3], rest[3:]
        if (
            bits == 32
            and is_true
            and maxima == [255, 255, 255]
            and _are_bytes(shifts)
        ):
            return
    raise NotRecordable(
        'The session is recorded: it must have 24-bit colour in 32 bits per '
        'pixel.'
    )


def _are_bytes(shifts: Iterable[int]) -> bool:
    """Whether each channel is a byte of its own."""
    found = {*shifts}
    return len(found) == 3 and found <= _SHIFTS
