# SPDX-License-Identifier: Apache-2.0

"""The last input of a client that has closed its connection."""

import asyncio
from typing import Any

import testtools
import uvloop

from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.session import Session

_PIECES = [b'1', b'2', b'3', b'4']


class ClosedClient:
    """A client that sent some data, and closed before it got any."""

    def __init__(self) -> None:
        self._sent = [*_PIECES, b'']

    async def read(self) -> bytes:
        return self._sent.pop(0)

    async def write(self, data: bytes) -> None:
        raise ConnectionResetError


class BusyServer:
    """A server that reads no more while its output is not read."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.finished = False
        self._free = asyncio.Semaphore(0)

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        self._free.release()
        return b'output'

    async def write(self, data: bytes) -> None:
        await self._free.acquire()
        self.received.append(data)

    async def finish(self) -> None:
        self.finished = True


class LastInputTest(testtools.TestCase):
    def test_all_input_of_a_closed_client_reaches_the_server(self) -> None:
        uvloop.run(self.check())

    async def check(self) -> None:
        server: Any = BusyServer()
        client: Any = ClosedClient()
        opened = OpenedSession(
            'id', 'server', 'serial', '192.0.2.1', 1, None, None
        )
        await Session(opened).relay(client, server)
        self.assertEqual(_PIECES, server.received)
        self.assertTrue(server.finished)
