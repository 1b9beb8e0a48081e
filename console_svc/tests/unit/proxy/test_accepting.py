# SPDX-License-Identifier: Apache-2.0

"""Each end of a connection frees its place, in both event loops."""

import asyncio
import errno
import os
import pathlib
import socket
import ssl
from collections.abc import Awaitable, Callable

import fixtures as fixtures_
import testtools
import uvloop

from console_svc.proxy.accepting import Acceptor
from console_svc.proxy.monitoring import Metrics
from console_svc.proxy.places import Places
from console_svc.tests.programs import certificates

PATIENCE = 60


class Exhausted(socket.socket):
    """A socket on which the process can accept no connection."""

    calls = 0

    def accept(self) -> tuple[socket.socket, object]:
        self.calls += 1
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


class Aborting(asyncio.Protocol):
    """It aborts its connection at the first byte."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.abort()  # type: ignore[attr-defined]


def failing() -> asyncio.Protocol:
    raise ValueError


class UvloopTest(testtools.TestCase):
    new_loop = staticmethod(uvloop.new_event_loop)

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures_.FakeLogger())
        self.places = Places(10, None, 0)
        self.writers: list[asyncio.StreamWriter] = []

    def run_(self, check: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            try:
                async with asyncio.timeout(PATIENCE):
                    await check()
            finally:
                # Before the event loop is closed.
                for writer in self.writers:
                    writer.transport.abort()

        with asyncio.Runner(loop_factory=self.new_loop) as runner:
            runner.run(run())

    def acceptor(
        self, tls: ssl.SSLContext | None = None, timeout: float = PATIENCE
    ) -> Acceptor:
        return Acceptor(
            'tests', self.places, lambda: None, Metrics(), tls, timeout
        )

    async def connect(
        self, acceptor: Acceptor, factory: Callable[[], asyncio.BaseProtocol]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection that has a place."""
        listener = socket.create_server(('127.0.0.1', 0))
        acceptor.listen(listener, factory)
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        self.writers.append(writer)
        while not (len(self.places) or self.places.ended):
            await asyncio.sleep(0)
        acceptor.close()
        return reader, writer

    async def check_free(self, reader: asyncio.StreamReader) -> None:
        """Wait until the connection has ended, and its place is free."""
        try:
            while await reader.read(1000):
                pass
        except ConnectionError:
            pass
        while len(self.places):
            await asyncio.sleep(0)
        self.assertEqual(1, self.places.ended)

    def test_client_closes(self) -> None:
        self.run_(self.check_client)

    async def check_client(self) -> None:
        reader, writer = await self.connect(self.acceptor(), asyncio.Protocol)
        writer.write_eof()
        await self.check_free(reader)

    def test_server_aborts(self) -> None:
        self.run_(self.check_server)

    async def check_server(self) -> None:
        reader, writer = await self.connect(self.acceptor(), Aborting)
        writer.write(b'x')
        await self.check_free(reader)

    def test_protocol_cannot_be_made(self) -> None:
        self.run_(self.check_failing)
        self.assertIn('failed unexpectedly at its start', self.log.output)

    async def check_failing(self) -> None:
        reader, _ = await self.connect(self.acceptor(), failing)
        await self.check_free(reader)

    def test_tls_handshake_fails(self) -> None:
        self.run_(self.check_tls)
        self.assertEqual('', self.log.output)

    async def check_tls(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
        certificates.write(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(
            folder / 'server-cert.pem', folder / 'server-key.pem'
        )
        for sent, timeout in (
            (b'GET / HTTP/1.1\r\n\r\n', PATIENCE),
            # The start of a ClientHello.
            (b'\x16\x03\x01\x02\x00\x01', 0.1),
        ):
            self.places = Places(10, None, 0)
            acceptor = self.acceptor(context, timeout)
            reader, writer = await self.connect(acceptor, asyncio.Protocol)
            writer.write(sent)
            await self.check_free(reader)
            await acceptor.wait_closed()

    def test_exhausted_process_does_not_accept_for_a_while(self) -> None:
        self.run_(self.check_exhausted)
        self.assertIn('Too many open files', self.log.output)

    async def check_exhausted(self) -> None:
        listener = Exhausted()
        listener.bind(('127.0.0.1', 0))
        listener.listen()
        acceptor = self.acceptor()
        acceptor.listen(listener, asyncio.Protocol)
        _, writer = await asyncio.open_connection(*listener.getsockname())
        self.writers.append(writer)
        while not listener.calls:
            await asyncio.sleep(0)
        # Otherwise the event loop would call it again at once.
        self.assertFalse(asyncio.get_running_loop().remove_reader(listener))
        acceptor.close()


class AsyncioTest(UvloopTest):
    new_loop = staticmethod(asyncio.new_event_loop)
