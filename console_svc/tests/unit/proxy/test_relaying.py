# SPDX-License-Identifier: Apache-2.0

"""The relay between two connections: back-pressure, failures, and the end."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any
from unittest import mock

import testtools
import uvloop
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from console_svc.proxy.errors import Ended
from console_svc.proxy.session import Session
from console_svc.proxy.streams import TCPStream
from console_svc.proxy.websocket import WebSocketStream
from console_svc.tests.programs.process import PATIENCE
from console_svc.tests.unit.proxy.test_sessions import OPENED, Hangs
from console_svc.tests.unit.proxy.test_streams import pair

_MUCH = bytes(range(250)) * 80_000
_SILENT = logging.Logger('websocket', logging.CRITICAL)


def run(check: Coroutine[Any, Any, None]) -> None:
    async def limited() -> None:
        # Without back-pressure, for example, the checks would never end.
        async with asyncio.timeout(PATIENCE):
            await check

    uvloop.run(limited())


@contextlib.asynccontextmanager
async def relayed() -> AsyncIterator[
    tuple[TCPStream, TCPStream, TCPStream, TCPStream, Session]
]:
    """A relay: client, the proxy's ends to it and to the console, console."""
    async with pair() as (client, to_client), pair() as (to_server, server):
        session = Session(OPENED)
        relay = asyncio.create_task(session.relay(to_client, to_server))
        # It starts.
        await asyncio.sleep(0)
        yield client, to_client, to_server, server, session
        relay.cancel()
        await asyncio.gather(relay, return_exceptions=True)


async def until_held(stream: TCPStream) -> None:
    """Wait until a stream is not read."""
    while not stream._is_held:
        await asyncio.sleep(0.01)


async def read(stream: TCPStream, number: int) -> bytes:
    data = b''
    while len(data) < number:
        data += await stream.read()
    return data


class BackPressureTest(testtools.TestCase):
    def test_client_waits_for_a_slow_server(self) -> None:
        run(self.check_client())

    async def check_client(self) -> None:
        async with relayed() as (client, to_client, _, server, session):
            writing = asyncio.create_task(client.write(_MUCH))
            await until_held(to_client)
            self.assertGreater(len(_MUCH), session.received)
            self.assertEqual(_MUCH, await read(server, len(_MUCH)))
            await writing
            self.assertEqual(len(_MUCH), session.received)
            self.assertFalse(to_client._is_held)

    def test_server_waits_for_a_slow_client(self) -> None:
        run(self.check_server())

    async def check_server(self) -> None:
        async with relayed() as (client, _, to_server, server, session):
            writing = asyncio.create_task(server.write(_MUCH))
            await until_held(to_server)
            self.assertGreater(len(_MUCH), session.sent)
            self.assertEqual(_MUCH, await read(client, len(_MUCH)))
            await writing
            self.assertEqual(len(_MUCH), session.sent)

    def test_end_that_is_slow_before_the_relay_holds_the_other(self) -> None:
        run(self.check_before())

    async def check_before(self) -> None:
        async with pair() as (server, to_server):
            server.send(_MUCH)
            to_server.send(_MUCH)
            client = mock.Mock(spec=Hangs)
            relay = asyncio.create_task(
                Session(OPENED).relay(client, to_server)
            )
            await asyncio.sleep(0)
            client.pause_reading.assert_called_once_with()
            await read(server, len(_MUCH))
            while not client.resume_reading.called:
                await asyncio.sleep(0.01)
            relay.cancel()


class EndTest(testtools.TestCase):
    def test_what_was_received_before_the_relay_comes_first(self) -> None:
        run(self.check_rest())

    async def check_rest(self) -> None:
        async with pair() as (client, to_client):
            await client.write(b'abc')
            self.assertEqual(b'a', await to_client.read_exactly(1))
            async with pair() as (to_server, server):
                relay = asyncio.create_task(
                    Session(OPENED).relay(to_client, to_server)
                )
                self.assertEqual(b'bc', await server.read_exactly(2))
                await client.write(b'd')
                self.assertEqual(b'd', await server.read_exactly(1))
                await client.close()
                await server.close()
                await relay

    def test_errors_of_an_end_are_raised(self) -> None:
        run(self.check_error())

    async def check_error(self) -> None:
        async with pair() as (client, to_client):
            server = mock.Mock(spec=Hangs)
            server.send.side_effect = ZeroDivisionError
            await client.write(b'x')
            with testtools.ExpectedException(ZeroDivisionError):
                await Session(OPENED).relay(to_client, server)
            # Nothing is handed over any more.
            server.send.reset_mock()
            await client.write(b'x')
            await client.close()
            await to_client.peer_closed()
            server.send.assert_not_called()


class WebSocketTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.stream = WebSocketStream(
            ServerProtocol(state=State.OPEN, logger=_SILENT)
        )
        self.stream.connection_made(mock.Mock(spec=asyncio.Transport))
        self.receiver = mock.Mock()
        self.stream.relay_to(self.receiver)

    def receive(self, *frames: Frame) -> None:
        self.stream.data_received(
            b''.join(frame.serialize(mask=True) for frame in frames)
        )

    def test_fragments_are_handed_over_at_once(self) -> None:
        self.receive(
            Frame(Opcode.BINARY, b'a', fin=False),
            Frame(Opcode.PING, b'1'),
            Frame(Opcode.CONT, b''),
            Frame(Opcode.BINARY, b'b'),
        )
        self.assertEqual(
            [mock.call.received(b'a'), mock.call.received(b'b')],
            self.receiver.mock_calls,
        )

    def test_last_data_comes_before_the_end(self) -> None:
        self.receive(
            Frame(Opcode.BINARY, b'a'), Frame(Opcode.CLOSE, b'\x03\xe8')
        )
        self.assertEqual(
            [mock.call.received(b'a'), mock.call.closed(None)],
            self.receiver.mock_calls,
        )

    def test_violations_are_named(self) -> None:
        self.receive(Frame(Opcode.CONT, b'a'))
        (error,) = self.receiver.closed.call_args.args
        self.assertIsInstance(error, Ended)
        self.assertEqual(
            'The browser violated the websocket protocol: unexpected '
            'continuation frame.',
            error.reason,
        )

    def test_pong_answers_a_ping(self) -> None:
        self.stream.ping()
        self.assertTrue(self.stream.awaits_pong)
        self.receive(Frame(Opcode.PONG, b'1'))
        self.assertFalse(self.stream.awaits_pong)
