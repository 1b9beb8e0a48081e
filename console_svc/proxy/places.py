# SPDX-License-Identifier: Apache-2.0

"""How many connections clients may have, in total and from one address."""

import collections
import socket
from collections.abc import Callable
from typing import Final

from console_svc import addresses

# Of the last places, an address gets this part of those that are free: up to
# ten of 500. A browser opens six connections for a page.
_SHARE: Final = 50


class Places:
    """Limits the number of connections, in total and of each address.

    The last places are reserved for addresses with few connections: fewer than
    a fiftieth of the free places. So the last fifty are for addresses that
    have none. Addresses of an IPv6 /64 count as one.

    (A. K. Choudhury, E. L. Hahne: Dynamic Queue Length Thresholds for
    Shared-Memory Packet Switches, 1998, has the same rule for buffers.)

    :param total: most connections
    :param per_address: most connections of an address; None: the addresses
        are those of load balancers, so they have no limit
    :param reserved: number of those last places
    """

    def __init__(
        self, total: int, per_address: int | None, reserved: int
    ) -> None:
        self._total = total
        self._per_address = per_address
        self._reserved = reserved
        self._held: collections.Counter[str] = collections.Counter()
        self._taken = 0
        #: The number of connections that have ended.
        self.ended = 0

    def __len__(self) -> int:
        return self._taken

    def held(self, address: str) -> int:
        """The number of places that an address holds."""
        return self._held[_key(address)]

    def take(self, address: str) -> bool:
        """Take a place for a connection; False: the address gets none."""
        free = self._total - self._taken
        held = self.held(address)
        if free <= 0:
            return False
        if self._per_address is not None and (
            held >= self._per_address
            or (free <= self._reserved and held * _SHARE >= free)
        ):
            return False
        self._held[_key(address)] += 1
        self._taken += 1
        return True

    def free(self, address: str) -> None:
        """Free a place that was taken for a connection."""
        key = _key(address)
        self._taken -= 1
        self.ended += 1
        self._held[key] -= 1
        if not self._held[key]:
            del self._held[key]


class Connection(socket.socket):
    """An accepted connection, whose place is free when it is closed.

    An event loop closes the socket, or detaches it and closes the descriptor
    (uvloop), when the connection ends. This also holds for connections whose
    TLS handshake fails, or whose protocol is replaced.
    """

    __slots__ = ('_free',)

    def __init__(
        self, accepted: socket.socket, free: Callable[[], None]
    ) -> None:
        super().__init__(
            accepted.family, accepted.type, accepted.proto, accepted.detach()
        )
        self.setblocking(False)
        self._free: Callable[[], None] | None = free

    def close(self) -> None:
        super().close()
        self._free_once()

    def detach(self) -> int:
        descriptor = super().detach()
        self._free_once()
        return descriptor

    def _free_once(self) -> None:
        if self._free is not None:
            self._free()
            self._free = None


def _key(address: str) -> str:
    return addresses.network(address) or address
