# SPDX-License-Identifier: Apache-2.0

import asyncio
import dataclasses
from unittest import mock

import testtools
from websockets.frames import CloseCode

from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.closer import Close
from console_svc.proxy.console_api import ConsoleApi
from console_svc.proxy.errors import ClientFailed, Ended, Refused
from console_svc.proxy.monitoring import Metrics
from console_svc.proxy.relaying import Receiver
from console_svc.proxy.session import Session
from console_svc.proxy.sessions import Sessions
from console_svc.tests import fixtures

OPENED = OpenedSession('id', 'server', 'serial', '192.0.2.1', 1, None, None)


class Hangs:
    """An end that neither sends nor closes."""

    def relay_to(self, receiver: Receiver) -> None:
        pass

    def discard(self) -> None:
        pass

    def send(self, data: bytes) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    async def finish(self) -> None:
        pass


class Fails(Hangs):
    """An end that fails at once."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def relay_to(self, receiver: Receiver) -> None:
        receiver.closed(self._error)


class Sends(Hangs):
    """An end that sends some bytes, and closes."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks

    def relay_to(self, receiver: Receiver) -> None:
        try:
            for chunk in self._chunks:
                receiver.received(chunk)
        except Ended as error:
            receiver.closed(error)
        else:
            receiver.closed(None)


class Receives(Hangs):
    """An end that keeps what it is sent."""

    def __init__(self) -> None:
        self.received: list[bytes] = []

    def send(self, data: bytes) -> None:
        self.received.append(data)


class WithoutLetters:
    """A filter that drops lower-case letters, and refuses others."""

    def __init__(self) -> None:
        self.seen = False

    def passed(self, data: bytes) -> bytes:
        if data.isupper():
            raise ClientFailed('upper case')
        return bytes(it for it in data if not chr(it).islower())

    def change(self, is_view: bool) -> bytes:
        return b'release' if is_view else b''

    def take_seen(self) -> bool:
        seen, self.seen = self.seen, False
        return seen


class RelayTest(testtools.TestCase):
    def relay(
        self, client: Hangs, server: Hangs, is_filtered: bool = False
    ) -> Session:
        async def run() -> Session:
            session = Session(OPENED)
            if is_filtered:
                session.input = WithoutLetters()
            await session.relay(client, server)
            return session

        return asyncio.run(run())

    def test_filter_decides_what_the_console_gets(self) -> None:
        server = Receives()
        session = self.relay(Sends(b'a1b', b'cd', b'2'), server, True)
        self.assertEqual([b'1', b'2'], server.received)
        self.assertEqual(6, session.received)

    def test_filter_can_end_the_session(self) -> None:
        self.assertRaises(
            ClientFailed, self.relay, Sends(b'A'), Receives(), True
        )

    def test_unexpected_errors_of_either_end_are_raised(self) -> None:
        error = ZeroDivisionError()
        for ends in (Fails(error), Hangs()), (Hangs(), Fails(error)):
            self.assertRaises(ZeroDivisionError, self.relay, *ends)

    def test_reset_connection_ends_the_session(self) -> None:
        self.relay(Hangs(), Fails(ConnectionResetError()))

    def test_named_reason_is_raised(self) -> None:
        ending = Ended(CloseCode.UNSUPPORTED_DATA, 'text')
        self.assertRaises(Ended, self.relay, Fails(ending), Hangs())


class ModeTest(testtools.TestCase):
    def change(self, session_input: WithoutLetters | None) -> list[bytes]:
        """Change the mode of a session; what its console gets."""

        async def run() -> list[bytes]:
            session = Session(OPENED)
            session.input = session_input
            session.mode_changed = self.modes.append
            server = Receives()
            relaying = asyncio.create_task(session.relay(Hangs(), server))
            await asyncio.sleep(0)
            for mode in ('control', 'view', 'view', 'control'):
                session.set_mode(mode)
            await asyncio.sleep(0)
            if session.ended.done():
                session.ended.result()
            relaying.cancel()
            return server.received

        self.modes: list[str] = []
        return asyncio.run(run())

    def test_keys_are_released_without_the_client(self) -> None:
        self.assertEqual([b'release'], self.change(WithoutLetters()))
        self.assertEqual(['view', 'control'], self.modes)

    def test_session_without_a_filter_ends(self) -> None:
        self.assertRaises(Refused, self.change, None)


class ActivityTest(testtools.TestCase):
    def run_check(self, *sessions: Session, now: float) -> None:
        """Check sessions at a time."""
        conf = self.useFixture(fixtures.Configuration()).conf
        conf.set_override('idle_timeout', 10, 'proxy')
        api = mock.Mock(spec=ConsoleApi)
        found = Sessions(conf, api, mock.Mock(spec=Metrics))
        found._sessions.update((it.opened.id, it) for it in sessions)

        async def run() -> None:
            with mock.patch('time.monotonic', lambda: now):
                await found.check()

        asyncio.run(run())

    def session(self, id_: str = 'id') -> Session:
        async def run() -> Session:
            return Session(dataclasses.replace(OPENED, id=id_))

        session = asyncio.run(run())
        session.input = WithoutLetters()
        session.active_at = 0
        return session

    def test_data_without_input_is_idle(self) -> None:
        session = self.session()
        session.received = session.sent = 1000
        self.run_check(session, now=10)
        self.assertTrue(session.ended.done())

    def test_input_is_activity(self) -> None:
        session = self.session()
        session.input.seen = True  # type: ignore[union-attr]
        self.run_check(session, now=10)
        self.assertFalse(session.ended.done())
        self.run_check(session, now=19.9)
        self.assertFalse(session.ended.done())
        self.run_check(session, now=20)
        self.assertTrue(session.ended.done())

    def test_all_bytes_of_the_client_count_without_a_filter(self) -> None:
        sending, receiving = self.session(), self.session('receiving')
        sending.input = receiving.input = None
        sending.received = receiving.sent = 1
        self.run_check(sending, receiving, now=10)
        self.assertFalse(sending.ended.done())
        self.assertTrue(receiving.ended.done())

    def test_channels_of_a_page_are_idle_together(self) -> None:
        quiet, busy, other = map(self.session, ('quiet', 'busy', 'other'))
        quiet.activity_id = busy.activity_id = 'page'
        busy.input.seen = True  # type: ignore[union-attr]
        self.run_check(quiet, busy, other, now=10)
        self.assertFalse(quiet.ended.done())
        self.assertTrue(other.ended.done())


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
