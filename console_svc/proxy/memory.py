# SPDX-License-Identifier: Apache-2.0

"""Returns the memory of connections that have ended to the system."""

import ctypes
import gc
from collections.abc import Callable
from typing import Final

#: Seconds between two looks.
INTERVAL: Final = 10

# Connections that must have ended meanwhile: the work takes some 50 ms.
_ENOUGH: Final = 500


class Memory:
    """The memory of this process.

    glibc keeps freed memory that lies below any in use: some 40 KiB for each
    TLS connection of a burst. Cyclic garbage, such as the websocket library's,
    prevents its return, and CPython collects it late.

    :param ended: the number of connections that have ended
    """

    def __init__(self, ended: Callable[[], int]) -> None:
        self._ended = ended
        self._before = 0
        self._enough = _ENOUGH

    async def trim(self) -> None:
        """Return memory, if enough connections have ended since last time."""
        ended = self._ended()
        if ended - self._before < self._enough:
            self._enough = _ENOUGH
            return
        self._before = ended
        # Next time also the last few of a burst.
        self._enough = 1
        gc.collect()
        # Other C libraries do not have it: malloc_trim(3).
        malloc_trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
        if malloc_trim is not None:
            malloc_trim(0)
