# SPDX-License-Identifier: Apache-2.0

"""The keys and buttons that a client of RFB holds down."""

from typing import Final

# Some clients release another keysym than they have pressed, so keys pile up.
_MOST_KEYS: Final = 256

# Message types (RFC 6143, sections 7.5.4 and 7.5.5).
_KEY: Final = 4
_POINTER: Final = 5

# The starts of messages that release keys and buttons.
_KEY_UP: Final = b'\x04\x00\x00\x00'
_QEMU_KEY_UP: Final = b'\xff\x00\x00\x00'
_BUTTONS_UP: Final = b'\x05\x00'


class Pressed:
    """What must be released when a client may no longer control a console."""

    __slots__ = ('_keys', '_pointer')

    def __init__(self) -> None:
        # The messages that release the keys, in the order of the presses.
        self._keys: dict[bytes, None] = {}
        # The position of the pointer, while a button is down.
        self._pointer = b''

    def note(self, message: bytes) -> bytes:
        """Note a message that is input.

        :returns: the same; if too many keys are down, the release of the first
            one precedes it
        """
        if message[0] == _POINTER:
            self._pointer = message[2:] if message[1] else b''
            return message
        if message[0] == _KEY:
            is_down, release = message[1], _KEY_UP + message[4:]
        elif message.startswith(_QEMU_KEY_UP[:2]):
            is_down = message[2] or message[3]
            release = _QEMU_KEY_UP + message[4:]
        else:
            return message
        if not is_down:
            self._keys.pop(release, None)
            return message
        self._keys[release] = None
        if len(self._keys) <= _MOST_KEYS:
            return message
        first = next(iter(self._keys))
        del self._keys[first]
        return first + message

    def release(self) -> bytes:
        """The messages that release everything, which then is not down."""
        if not self._keys and not self._pointer:
            return b''
        messages = b''.join(self._keys)
        if self._pointer:
            # Of a pointer that moves by deltas (QEMU Pointer Motion Change)
            # this repeats the last movement.
            messages += _BUTTONS_UP + self._pointer
        self._keys.clear()
        self._pointer = b''
        return messages
