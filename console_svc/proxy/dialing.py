# SPDX-License-Identifier: Apache-2.0

"""Connect to a host of several addresses, some of which may be dead.

This is RFC 8305 (Happy Eyeballs), which uvloop lacks.
"""

import asyncio
import collections
import itertools
import socket
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

#: Seconds to wait for an address before the next one is tried as well
#: (RFC 8305, section 5).
_DELAY: Final = 0.25

#: Address family and socket address.
Address: TypeAlias = tuple[socket.AddressFamily, Any]


async def connect(host: str, port: int) -> socket.socket:
    """Connect to the first address of a host that answers.

    :raises OSError: no address answers; this is the error of the last one
    """
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    )
    return await connect_first(
        interleaved((family, address) for family, _, _, _, address in found)
    )


def interleaved(addresses: Iterable[Address]) -> list[Address]:
    """Sort addresses so that families alternate (RFC 8305, section 4)."""
    families: dict[int, list[Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    return [
        address
        for group in itertools.zip_longest(*families.values())
        for address in group
        if address is not None
    ]


async def connect_first(addresses: Sequence[Address]) -> socket.socket:
    """Connect to the first address that answers.

    The next address is tried when one has failed, or not answered in time.

    :raises OSError: none answers
    """
    waiting = collections.deque(addresses)
    attempts: list[asyncio.Task[socket.socket]] = []
    pending: set[asyncio.Task[socket.socket]] = set()
    winner: socket.socket | None = None
    try:
        while waiting or pending:
            if waiting:
                attempts.append(
                    asyncio.create_task(_attempt(*waiting.popleft()))
                )
                pending.add(attempts[-1])
            done, pending = await asyncio.wait(
                pending,
                timeout=_DELAY if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for attempt in done:
                if attempt.exception() is None:
                    winner = attempt.result()
                    return winner
        return attempts[-1].result()
    finally:
        for attempt in attempts:
            attempt.cancel()
        for outcome in await asyncio.gather(*attempts, return_exceptions=True):
            if isinstance(outcome, socket.socket) and outcome is not winner:
                outcome.close()


async def _attempt(
    family: socket.AddressFamily, address: Any
) -> socket.socket:
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection
