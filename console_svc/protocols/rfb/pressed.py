# SPDX-License-Identifier: Apache-2.0

"""The keys and buttons that a client of RFB holds down."""

from typing import Final

# A key that is down stays so until it is released. Some clients release
# another keysym than they have pressed, so keys pile up.
_MOST_KEYS: Final = 256

_KEY_UP: Final = b'\x04\x00\x00\x00'
_QEMU_KEY_UP: Final = b'\xff\x00\x00\x00'
_POINTER_UP: Final = b'\x05\x00'


class Pressed:
    """What must be released when a client may no longer control a console."""

    __slots__ = ('_keys', '_pointer')

    def __init__(self) -> None:
        # The messages that release the keys, in the order of the presses.
        self._keys: dict[bytes, None] = {}
        # The position of the pointer, while a button is down.
        self._pointer = b''

    def __bool__(self) -> bool:
        return bool(self._keys or self._pointer)

    def key(self, message: bytes) -> bytes:
        """Note a KeyEvent (RFC 6143, section 7.5.4).

        :returns: what to send before it: with too many keys down, the release
            of the first one
        """
        return self._note(bool(message[1]), _KEY_UP + message[4:])

    def qemu_key(self, message: bytes) -> bytes:
        """Note a QEMU Extended Key Event, as :meth:`key`."""
        return self._note(
            bool(message[2] or message[3]), _QEMU_KEY_UP + message[4:]
        )

    def pointer(self, message: bytes) -> None:
        """Note a PointerEvent (RFC 6143, section 7.5.5)."""
        self._pointer = message[2:] if message[1] else b''

    def release(self) -> bytes:
        """The messages that release everything, which then is not down."""
        messages = b''.join(self._keys)
        if self._pointer:
            # Of a pointer that moves by deltas (QEMU Pointer Motion Change)
            # this repeats the last movement.
            messages += _POINTER_UP + self._pointer
        self._keys.clear()
        self._pointer = b''
        return messages

    def _note(self, is_down: bool, release: bytes) -> bytes:
        if not is_down:
            self._keys.pop(release, None)
        elif release not in self._keys:
            self._keys[release] = None
            if len(self._keys) > _MOST_KEYS:
                first = next(iter(self._keys))
                del self._keys[first]
                return first
        return b''
