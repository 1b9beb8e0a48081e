# SPDX-License-Identifier: Apache-2.0

import asyncio

import testtools
from websockets.frames import CloseCode

from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.errors import Ended
from console_svc.proxy.session import Session


class Hangs:
    """A stream that neither sends nor ends."""

    async def read(self) -> bytes:
        await asyncio.Event().wait()
        return b''

    async def write(self, data: bytes) -> None:
        pass

    async def read_exactly(self, number: int) -> bytes:
        return b''


class Fails(Hangs):
    """A stream that raises when it is read."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def read(self) -> bytes:
        raise self._error


class RelayTest(testtools.TestCase):
    def relay(self, client: Hangs, server: Hangs) -> None:
        async def run() -> None:
            opened = OpenedSession(
                'id', 'server', 'serial', '192.0.2.1', 1, None, None
            )
            await Session(opened).relay(client, server)

        asyncio.run(run())

    def test_unexpected_errors_of_either_end_are_raised(self) -> None:
        error = ZeroDivisionError()
        for ends in (Fails(error), Hangs()), (Hangs(), Fails(error)):
            self.assertRaises(ZeroDivisionError, self.relay, *ends)

    def test_reset_connection_ends_the_session(self) -> None:
        self.relay(Hangs(), Fails(ConnectionResetError()))

    def test_named_reason_comes_first(self) -> None:
        ending = Ended(CloseCode.UNSUPPORTED_DATA, 'text')
        for errors in (ending, ValueError()), (ValueError(), ending):
            self.assertRaises(Ended, self.relay, *map(Fails, errors))
