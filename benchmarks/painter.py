# SPDX-License-Identifier: Apache-2.0

"""A VNC server that answers each request with an update of its whole screen.

``python -m benchmarks.painter PORT``
"""

import asyncio
import contextlib
import struct
import sys
from typing import Final

from console_svc.protocols import rfb
from console_svc.proxy.errors import PeerClosed
from console_svc.proxy.handshakes import perform
from console_svc.proxy.streams import TCPStream

WIDTH: Final = 640
HEIGHT: Final = 480

_PIXELS: Final = b'\x10\x80\xf0\x00' * (WIDTH * HEIGHT)
_NAME: Final = b'painter'
#: ServerInit (RFC 6143, section 7.3.2).
_INIT: Final = (
    struct.pack('>HH', WIDTH, HEIGHT)
    + struct.pack('>BBBBHHHBBB3x', 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
    + struct.pack('>I', len(_NAME))
    + _NAME
)
#: FramebufferUpdate with one raw rectangle (sections 7.6.1 and 7.7.1).
_UPDATE: Final = (
    struct.pack('>BxHHHHHi', 0, 1, 0, 0, WIDTH, HEIGHT, 0) + _PIXELS
)

#: Bytes of an update.
UPDATE_SIZE: Final = len(_UPDATE)

#: FramebufferUpdateRequest of the whole screen (section 7.5.3).
REQUEST: Final = struct.pack('>BBHHHH', 3, 0, 0, 0, WIDTH, HEIGHT)

# Seconds for each step of the handshake.
_PATIENCE: Final = 60


def enter() -> rfb.Handshake[None]:
    """Send ClientInit and read ServerInit."""
    yield rfb.Write(b'\x01')
    yield rfb.Read(len(_INIT))


async def _serve(client: TCPStream) -> None:
    with contextlib.suppress(PeerClosed, OSError):
        minor = await perform(client, rfb.offer(rfb.NONE), _PATIENCE)
        await perform(client, rfb.welcome(minor, rfb.NONE), _PATIENCE)
        await client.read_exactly(1)
        await client.write(_INIT)
        while await client.read_exactly(len(REQUEST)):
            await client.write(_UPDATE)
    client.abort()


async def _listen(port: int) -> None:
    async with asyncio.TaskGroup() as clients:

        def accepted(client: TCPStream) -> None:
            clients.create_task(_serve(client))

        server = await asyncio.get_running_loop().create_server(
            lambda: TCPStream(accepted), '127.0.0.1', port, backlog=1024
        )
        await server.serve_forever()


if __name__ == '__main__':
    asyncio.run(_listen(int(sys.argv[1])))
