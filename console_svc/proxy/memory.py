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
    prevents its return, and CPython collects it late. Python must use malloc:
    see :mod:`console_svc.cmd.proxy`.

    :param ended: the number of connections that have ended
    """

    def __init__(self, ended: Callable[[], int]) -> None:
        self._ended = ended
        self._before = 0
        self._again = False

    async def trim(self) -> None:
        """Return memory, if enough connections have ended since last time.

        Once more next time: the last of a burst may still be closing.
        """
        ended = self._ended()
        is_burst = ended - self._before >= _ENOUGH
        if not is_burst and not self._again:
            return
        self._before = ended
        self._again = is_burst
        gc.collect()
        # Other C libraries do not have it: malloc_trim(3).
        malloc_trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
        if malloc_trim is not None:
            malloc_trim(0)
