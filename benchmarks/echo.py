# SPDX-License-Identifier: Apache-2.0

"""What consoles are to the relays: an echo. And the plainest of relays.

``python -m benchmarks.echo PORT``: whatever comes, goes back.
``python -m benchmarks.echo PORT TARGET``: is carried to a port and back.
"""

import asyncio
import contextlib
import sys

_PIECE = 65536


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_PIECE):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _serve(port: int, target: int | None) -> None:
    async def relay(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        far = await asyncio.open_connection('127.0.0.1', target)
        await asyncio.gather(_carry(reader, far[1]), _carry(far[0], writer))

    server = await asyncio.start_server(
        relay if target else _carry, '127.0.0.1', port, backlog=1024
    )
    await server.serve_forever()


if __name__ == '__main__':
    asyncio.run(
        _serve(int(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else None)
    )
