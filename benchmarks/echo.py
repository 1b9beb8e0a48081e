# SPDX-License-Identifier: Apache-2.0

"""An echo server, and a minimal TCP relay.

``python -m benchmarks.echo PORT``: send all data back.
``python -m benchmarks.echo PORT TARGET``: relay connections to a port.
"""

import asyncio
import contextlib
import sys

_CHUNK = 65536


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _serve(port: int, target: int | None) -> None:
    async def relay(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        far = await asyncio.open_connection('127.0.0.1', target)
        await asyncio.gather(_copy(reader, far[1]), _copy(far[0], writer))

    server = await asyncio.start_server(
        relay if target else _copy, '127.0.0.1', port, backlog=1024
    )
    await server.serve_forever()


if __name__ == '__main__':
    asyncio.run(
        _serve(int(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else None)
    )
