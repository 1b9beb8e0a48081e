# SPDX-License-Identifier: Apache-2.0

"""The keys and buttons that a client of SPICE holds down.

Keys are scan codes of set 1, as bytes of one stream: a message may end inside
of a code, as spice-server sees it.
"""

from collections.abc import Iterable
from typing import Final

# Prefixes; the keys behind others than the first are not held down.
_PREFIXES: Final = range(0xE0, 0xE3)
_EXTENDED: Final = 0xE0

# The bit of a code that tells that the key is released.
_UP: Final = 0x80


class Pressed:
    """What must be released when a client may no longer control a console."""

    __slots__ = ('_keys', '_prefix', 'buttons')

    def __init__(self) -> None:
        # The codes that release the keys: 256 at most.
        self._keys: dict[bytes, None] = {}
        self._prefix = 0
        #: The mask of buttons that are down.
        self.buttons = 0

    def codes(self, codes: Iterable[int]) -> None:
        """Note scan codes."""
        for code in codes:
            if code in _PREFIXES:
                self._prefix = code
                continue
            if self._prefix in (0, _EXTENDED):
                prefix = b'\xe0' if self._prefix else b''
                release = prefix + bytes([code | _UP])
                if code & _UP:
                    self._keys.pop(release, None)
                else:
                    self._keys[release] = None
            self._prefix = 0

    def release(self) -> tuple[list[bytes], bool]:
        """Release everything.

        :returns: the codes that do so, and whether a button was down
        """
        codes, was_down = [*self._keys], bool(self.buttons)
        if codes and self._prefix:
            # It would be taken for the prefix of the first one.
            codes.insert(0, codes[0])
        if codes:
            self._prefix = 0
        self._keys.clear()
        self.buttons = 0
        return codes, was_down
