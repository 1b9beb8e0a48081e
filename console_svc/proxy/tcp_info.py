# SPDX-License-Identifier: Apache-2.0

"""What the kernel knows about the progress of a connection."""

import asyncio
import dataclasses
import socket
import struct
from typing import Final

# tcpi_unacked, tcpi_bytes_acked, tcpi_bytes_received and tcpi_notsent_bytes in
# struct tcp_info (linux/tcp.h).
_STRUCT: Final = struct.Struct('=24xI92xQQ8xI')


@dataclasses.dataclass(frozen=True, slots=True)
class TCPInfo:
    """The progress of a connection.

    :param acknowledged: bytes that the peer's kernel has received
    :param received: bytes that came from the peer
    :param queued: whether the kernel has bytes that are not acknowledged
    """

    acknowledged: int
    received: int
    queued: bool

    @classmethod
    def of(cls, transport: asyncio.BaseTransport) -> 'TCPInfo':
        """The progress of a transport.

        :raises OSError: its socket is closed
        """
        connection = transport.get_extra_info('socket')
        if connection is None:
            # TLS has lost its transport.
            raise OSError('the connection is closed')
        info = connection.getsockopt(
            socket.IPPROTO_TCP, socket.TCP_INFO, _STRUCT.size
        )
        unacked, acknowledged, received, not_sent = _STRUCT.unpack(info)
        return cls(acknowledged, received, bool(unacked or not_sent))
