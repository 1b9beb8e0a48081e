# SPDX-License-Identifier: Apache-2.0

import asyncio
from unittest import mock

import testtools
from websockets.frames import CloseCode

from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.closer import Close
from console_svc.proxy.console_api import ConsoleApi
from console_svc.proxy.errors import Ended
from console_svc.proxy.monitoring import Metrics
from console_svc.proxy.session import Session
from console_svc.proxy.sessions import Sessions
from console_svc.tests import fixtures

OPENED = OpenedSession('id', 'server', 'serial', '192.0.2.1', 1, None, None)


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
            await Session(OPENED).relay(client, server)

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


class DrainTest(testtools.TestCase):
    def test_session_that_is_opened_after_the_drain_ends(self) -> None:
        conf = self.useFixture(fixtures.Configuration()).conf

        async def run() -> None:
            api = mock.Mock(spec=ConsoleApi)
            sessions = Sessions(conf, api, mock.Mock(spec=Metrics))
            answer = asyncio.get_running_loop().create_future()

            async def serve() -> None:
                async with sessions.opened(lambda: answer) as session:
                    self.assertTrue(session.ended.done())
                    await session.relay(Hangs(), Hangs())

            served = asyncio.create_task(serve())
            # It waits for the answer of the API.
            await asyncio.sleep(0)
            await sessions.drain(0)
            answer.set_result(OPENED)
            ending = (await asyncio.gather(served, return_exceptions=True))[0]
            self.assertEqual(CloseCode.GOING_AWAY, ending.code)
            await sessions.closed()
            api.close.assert_awaited_once_with(Close(OPENED.id, 'drained'))

        asyncio.run(run())
