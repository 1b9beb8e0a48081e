# SPDX-License-Identifier: Apache-2.0

"""The last input of a client that has closed its connection."""

import asyncio

import testtools

from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.relaying import Receiver
from console_svc.proxy.session import Session
from console_svc.proxy.streams import TCPStream
from console_svc.tests.unit.proxy.test_relaying import run
from console_svc.tests.unit.proxy.test_streams import pair

_INPUT = bytes(range(250)) * 4000


class ClosedClient:
    """A client that has closed behind some data, and so gets no output."""

    def relay_to(self, receiver: Receiver) -> None:
        receiver.received(_INPUT)
        receiver.closed(None)

    def discard(self) -> None:
        pass

    def send(self, data: bytes) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class LastInputTest(testtools.TestCase):
    def test_all_input_of_a_closed_client_reaches_the_server(self) -> None:
        run(self.check())

    async def check(self) -> None:
        opened = OpenedSession(
            'id', 'server', 'serial', '192.0.2.1', 1, None, None
        )
        async with pair() as (server, console):
            _, received = await asyncio.gather(
                Session(opened).relay(ClosedClient(), server),
                self.echo(console),
            )
        self.assertEqual(_INPUT, received)

    async def echo(self, console: TCPStream) -> bytes:
        """A console that reads no more while its output is not read."""
        received = b''
        while data := await console.read():
            received += data
            await console.write(data)
        await console.close()
        return received
