# SPDX-License-Identifier: Apache-2.0

"""How a connection becomes a websocket, or ends, in both event loops."""

import asyncio
import contextlib
import http
import pathlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import cast

import fixtures as fixtures_
import testtools
import uvloop
from websockets.asyncio.connection import Connection as WebSocket

from console_svc.proxy.http.application import Application, Connection
from console_svc.proxy.http.connection import HTTPConnection
from console_svc.proxy.http.messages import Incomplete, Request, Response
from console_svc.proxy.http.upgrade import Upgrade, upgrade
from console_svc.proxy.tcp_info import TCPInfo
from console_svc.tests.programs import certificates
from console_svc.tests.programs.bad_input import UPGRADE

PATIENCE = 60

PAGE = b'GET / HTTP/1.1\r\nHost: x\r\n\r\n'

#: A masked ping, and its answer.
PING, PONG = b'\x89\x80\0\0\0\0', b'\x8a\x00'


class Pages(Application):
    """It responds with one page, and keeps the websocket."""

    is_draining = False
    max_header_size = 65536
    head_timeout = idle_timeout = PATIENCE
    websocket: WebSocket

    def __init__(self, page: Callable[[], Awaitable[bytes]]) -> None:
        self.connections: set[Connection] = set()
        self._page = page

    def connected(self, connection: Connection) -> None:
        self.connections.add(connection)

    def disconnected(self, connection: Connection) -> None:
        self.connections.discard(connection)

    def security_headers(self, request: Request | None) -> Mapping[str, str]:
        return {}

    async def respond(self, request: Request) -> Response:
        return Response(http.HTTPStatus.OK, {}, await self._page())

    def upgrade(
        self, request: Request, transport: asyncio.Transport, rest: bytes
    ) -> None:
        upgraded = upgrade(request, transport, rest)
        assert isinstance(upgraded, Upgrade)
        upgraded.accept()
        self.websocket = upgraded.websocket


class Broken:
    """A body that cannot be read to its end."""

    length: int | None = None
    is_closed = False

    def __init__(self) -> None:
        self._pieces = [b'piece']

    async def read(self) -> bytes:
        if not self._pieces:
            raise Incomplete
        return self._pieces.pop()

    def close(self) -> None:
        self.is_closed = True


class Recorded(HTTPConnection):
    """It shows its transport."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        super().connection_made(transport)


class UvloopTest(testtools.TestCase):
    factory = staticmethod(uvloop.new_event_loop)
    has_tls = False

    def setUp(self) -> None:
        super().setUp()
        self.unhandled: list[object] = []

    def run_(self, check: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            asyncio.get_running_loop().set_exception_handler(
                lambda _, context: self.unhandled.append(context)
            )
            async with asyncio.timeout(PATIENCE):
                await check()

        with asyncio.Runner(loop_factory=self.factory) as runner:
            runner.run(run())
        self.assertEqual([], self.unhandled)

    @contextlib.asynccontextmanager
    async def connected(
        self, pages: Pages
    ) -> AsyncIterator[
        tuple[Recorded, asyncio.StreamReader, asyncio.StreamWriter]
    ]:
        """A connection, and its client."""
        connection = Recorded(pages)
        ours = theirs = None
        if self.has_tls:
            folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
            certificates.write(folder)
            ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            ours.load_cert_chain(
                folder / 'server-cert.pem', folder / 'server-key.pem'
            )
            theirs = ssl.create_default_context(
                cafile=str(folder / 'ca-cert.pem')
            )
        server = await asyncio.get_running_loop().create_server(
            lambda: connection, '127.0.0.1', 0, ssl=ours
        )
        reader, writer = await asyncio.open_connection(
            *server.sockets[0].getsockname(), ssl=theirs
        )
        try:
            yield connection, reader, writer
        finally:
            writer.transport.abort()
            server.close()

    def test_websocket_begins_while_a_page_is_not_yet_sent(self) -> None:
        self.run_(self.check_full_buffer)

    async def check_full_buffer(self) -> None:
        async def page() -> bytes:
            # Fill the buffers of the kernel and then half of the transport's,
            # which is more than that of a websocket.
            transport = connection.transport
            while not transport.get_write_buffer_size():
                transport.write(bytes(8192))
                await asyncio.sleep(0)
            return bytes(48 * 1024 - transport.get_write_buffer_size())

        pages = Pages(page)
        async with self.connected(pages) as (connection, reader, writer):
            writer.transport.pause_reading()
            writer.write(PAGE + UPGRADE.format(target='/').encode())
            while not hasattr(pages, 'websocket'):
                await asyncio.sleep(0)
            writer.write(PING)
            writer.transport.resume_reading()
            while not (await reader.read(65536)).endswith(PONG):
                pass
            self.assertFalse(pages.websocket._is_full)

    def test_drain_lets_a_request_end(self) -> None:
        self.run_(self.check_drain)

    async def check_drain(self) -> None:
        async def page() -> bytes:
            if called:
                connection.drain()
            called.append(True)
            return b'x'

        called: list[bool] = []
        async with self.connected(Pages(page)) as (connection, reader, writer):
            for _ in range(2):
                writer.write(PAGE)
                await reader.readuntil(b'\r\n\r\nx')

    def test_connection_may_be_drained_while_it_ends(self) -> None:
        self.run_(self.check_closing)

    async def check_closing(self) -> None:
        async def page() -> bytes:
            return b'x'

        pages = Pages(page)
        async with self.connected(pages) as (connection, reader, writer):
            writer.write(PAGE)
            await reader.readuntil(b'\r\n\r\nx')
            writer.transport.abort()
            while pages.connections:
                connection.drain()
                with contextlib.suppress(OSError):
                    TCPInfo.of(connection.transport)
                await asyncio.sleep(0)

    def test_client_sees_that_a_body_is_not_complete(self) -> None:
        self.run_(self.check_incomplete)

    async def check_incomplete(self) -> None:
        class Recordings(Pages):
            async def respond(self, request: Request) -> Response:
                return Response(http.HTTPStatus.OK, {}, body)

            def unexpected(self) -> None:
                raise AssertionError

        async def page() -> bytes:
            raise AssertionError

        body = Broken()
        async with self.connected(Recordings(page)) as (_, reader, writer):
            writer.write(PAGE)
            received = b''
            # TLS has an error, too: the end was not announced.
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    received += data
            self.assertIn(b'chunked', received)
            self.assertFalse(received.endswith(b'0\r\n\r\n'))
        self.assertTrue(body.is_closed)


class UvloopTLSTest(UvloopTest):
    has_tls = True


class AsyncioTest(UvloopTest):
    factory = staticmethod(asyncio.new_event_loop)


class AsyncioTLSTest(AsyncioTest):
    has_tls = True
