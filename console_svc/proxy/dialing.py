# SPDX-License-Identifier: Apache-2.0

"""Connect to a host of several addresses, some of which may be dead.

This is RFC 8305 (Happy Eyeballs), which uvloop's create_connection lacks.
"""

import asyncio
import socket
from collections.abc import Sequence
from typing import Final

import aiohappyeyeballs
from aiohappyeyeballs import AddrInfoType

#: Seconds to wait for an address before the next one is tried as well
#: (RFC 8305, section 5).
_DELAY: Final = 0.25


async def connect(host: str, port: int) -> socket.socket:
    """Connect to the first address of a host that answers.

    :raises OSError: no address answers
    """
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    )
    return await connect_first(found)


async def connect_first(addresses: Sequence[AddrInfoType]) -> socket.socket:
    """Connect to the first address that answers; families alternate.

    :param addresses: as getaddrinfo returns them
    :raises OSError: no address answers
    """
    return await aiohappyeyeballs.start_connection(
        addresses, happy_eyeballs_delay=_DELAY, interleave=1
    )
