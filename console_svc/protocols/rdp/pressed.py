# SPDX-License-Identifier: Apache-2.0

"""The keys and buttons that a client of RDP holds down.

Those of fast-path input ([MS-RDPBCGR] 2.2.8.1.2), which browsers send.
"""

import struct
from collections.abc import Iterator
from typing import Final

# Events, by the upper three bits of their first byte: key, pointer, extended
# buttons, locks, character, relative pointer, time stamp; bytes of each.
_KEY: Final = 0
_POINTER: Final = 1
_EXTENDED_BUTTONS: Final = 2
_SIZES: Final = {
    _KEY: 2,
    _POINTER: 7,
    _EXTENDED_BUTTONS: 7,
    3: 1,
    4: 3,
    5: 7,
    6: 5,
}

# In the first byte of a key event.
_UP: Final = 1

# The first byte, flags, and the position. Among the flags are the buttons, and
# whether they are pressed.
_POINTER_EVENT: Final = struct.Struct('<BHHH')
_DOWN: Final = 0x8000
_BUTTONS: Final = {
    _POINTER: (0x1000, 0x2000, 0x4000),
    _EXTENDED_BUTTONS: (1, 2),
}

# Most events in a PDU whose first byte has their number.
_MOST_EVENTS: Final = 15


class Pressed:
    """What must be released when a client may no longer control a console."""

    __slots__ = ('_buttons', '_keys', '_position')

    def __init__(self) -> None:
        # The events that release the keys.
        self._keys: dict[bytes, None] = {}
        # First bytes of events, and their buttons.
        self._buttons: dict[tuple[int, int], None] = {}
        self._position = (0, 0)

    def note(self, pdu: bytes) -> None:
        """Note a fast-path input PDU, which is not encrypted."""
        start = 3 if pdu[1] & 0x80 else 2
        number = pdu[0] >> 2 & _MOST_EVENTS
        if not number and len(pdu) > start:
            number, start = pdu[start], start + 1
        for event in _events(pdu[start:], number):
            if event[0] >> 5 == _KEY:
                release = bytes([event[0] | _UP, event[1]])
                if event[0] & _UP:
                    self._keys.pop(release, None)
                else:
                    self._keys[release] = None
            elif event[0] >> 5 in _BUTTONS:
                self._note_buttons(event)

    def _note_buttons(self, event: bytes) -> None:
        first, flags, *position = _POINTER_EVENT.unpack(event)
        self._position = (position[0], position[1])
        for button in _BUTTONS[first >> 5]:
            if not flags & button:
                continue
            if flags & _DOWN:
                self._buttons[first, button] = None
            else:
                self._buttons.pop((first, button), None)

    def release(self) -> bytes:
        """The PDUs that release everything, which then is not down."""
        if not self._keys and not self._buttons:
            return b''
        events = [*self._keys]
        events += [
            _POINTER_EVENT.pack(first, button, *self._position)
            for first, button in self._buttons
        ]
        self._keys.clear()
        self._buttons.clear()
        return b''.join(
            _pdu(events[at : at + _MOST_EVENTS])
            for at in range(0, len(events), _MOST_EVENTS)
        )


def _events(data: bytes, number: int) -> Iterator[bytes]:
    """The events of a PDU, up to one that is unknown or not complete."""
    at = 0
    for _ in range(number):
        size = _SIZES.get(data[at] >> 5, 0) if at < len(data) else 0
        if not size or at + size > len(data):
            return
        yield data[at : at + size]
        at += size


def _pdu(events: list[bytes]) -> bytes:
    data = b''.join(events)
    return bytes([len(events) << 2, len(data) + 2]) + data
