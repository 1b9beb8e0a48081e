# SPDX-License-Identifier: Apache-2.0

"""When sessions were last active, in memory that the workers share."""

import mmap
import struct
import uuid
from typing import Final

_SLOT: Final = struct.Struct('d')

# Two sessions have the same slot with this probability, and then the idle one
# lasts as long as the other one. Only pages that are used take memory.
_SLOTS: Final = 2**20


class Activity:
    """The time-out of idle sessions whose connections are in several workers.

    Workers inherit the memory from the process that creates it. The monotonic
    clock is the same in all processes.
    """

    def __init__(self) -> None:
        self._times = mmap.mmap(-1, _SLOTS * _SLOT.size)

    def latest(self, session_id: str, at: float) -> float:
        """The latest time at which a worker saw the session move bytes.

        :param session_id: a UUID
        :param at: the latest monotonic time of the calling worker
        """
        offset = uuid.UUID(session_id).int % _SLOTS * _SLOT.size
        (known,) = _SLOT.unpack_from(self._times, offset)
        if known >= at:
            return float(known)
        # Another worker's time may be lost here; it writes again in a second.
        _SLOT.pack_into(self._times, offset, at)
        return at
