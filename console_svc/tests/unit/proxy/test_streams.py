# SPDX-License-Identifier: Apache-2.0

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator

import testtools
import uvloop

from console_svc.proxy.errors import PeerClosed
from console_svc.proxy.streams import TCPStream
from console_svc.tests.programs.process import PATIENCE


@contextlib.asynccontextmanager
async def pair() -> AsyncIterator[tuple[TCPStream, TCPStream]]:
    """Both ends of a connection, the accepted one second."""
    accepted: asyncio.Future[TCPStream] = asyncio.Future()
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(
        lambda: TCPStream(accepted.set_result), '127.0.0.1', 0
    )
    port = listener.sockets[0].getsockname()[1]
    _, connected = await loop.create_connection(TCPStream, '127.0.0.1', port)
    yield connected, await accepted
    connected.abort()
    accepted.result().abort()
    listener.close()


class KeepAliveTest(testtools.TestCase):
    def test_dead_peers_time_out(self) -> None:
        """After two minutes, by the options of the sockets."""
        uvloop.run(self.check_options())

    async def check_options(self) -> None:
        async with pair() as streams:
            for stream in streams:
                self.check(stream._transport.get_extra_info('socket'))

    def check(self, connection: socket.socket) -> None:
        tcp = socket.IPPROTO_TCP
        self.assertEqual(
            1, connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        )
        minutes = (
            connection.getsockopt(tcp, socket.TCP_KEEPIDLE)
            + connection.getsockopt(tcp, socket.TCP_KEEPINTVL)
            * connection.getsockopt(tcp, socket.TCP_KEEPCNT)
        ) / 60
        self.assertEqual(2, minutes)
        self.assertEqual(
            120_000, connection.getsockopt(tcp, socket.TCP_USER_TIMEOUT)
        )


class StartTLSTest(testtools.TestCase):
    """Plain text ahead of TLS is not treated as the contents of TLS."""

    def test_data_ahead_of_tls_ends_the_connection(self) -> None:
        """Also if it arrives with the last bytes before TLS."""
        uvloop.run(self.check_refused(b'12', b'injected'))

    def test_a_single_byte_ahead_of_tls_ends_the_connection(self) -> None:
        uvloop.run(self.check_refused(b'12', b'\x16'))

    def test_tls_on_a_closed_connection_fails(self) -> None:
        uvloop.run(self.check_refused(b'12', b''))

    async def check_refused(self, expected: bytes, ahead: bytes) -> None:
        """Let the peer send something too early, or close."""
        async with pair() as (connected, accepted):
            await connected.write(expected + ahead)
            if not ahead:
                await connected.close()
            self.assertEqual(
                expected, await accepted.read_exactly(len(expected))
            )
            # All of it is received by then.
            await asyncio.sleep(0.05)
            with testtools.ExpectedException(PeerClosed):
                # Without the check, the handshake would never end.
                async with asyncio.timeout(PATIENCE):
                    await accepted.start_tls(
                        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    )

    def test_tls_starts_without_such_data(self) -> None:
        uvloop.run(self.check_encrypted())

    async def check_encrypted(self) -> None:
        async with pair() as (connected, accepted):
            await connected.write(b'12')
            await accepted.read_exactly(2)
            await asyncio.gather(
                accepted.start_tls(anonymous(ssl.PROTOCOL_TLS_SERVER)),
                connected.start_tls(
                    anonymous(ssl.PROTOCOL_TLS_CLIENT), 'localhost'
                ),
            )
            await connected.write(b'hello')
            self.assertEqual(b'hello', await accepted.read_exactly(5))
            await accepted.write(b'world')
            self.assertEqual(b'world', await connected.read())


class FinishTest(testtools.TestCase):
    """What was written is sent, though the peer sends unread data."""

    DATA = bytes(8_000_000)

    def test_finish(self) -> None:
        uvloop.run(self.check_finish(encrypted=False))

    def test_finish_inside_tls(self) -> None:
        uvloop.run(self.check_finish(encrypted=True))

    async def check_finish(self, encrypted: bool) -> None:
        async with pair() as (connected, accepted):
            if encrypted:
                await asyncio.gather(
                    accepted.start_tls(anonymous(ssl.PROTOCOL_TLS_SERVER)),
                    connected.start_tls(
                        anonymous(ssl.PROTOCOL_TLS_CLIENT), 'localhost'
                    ),
                )
            unread = asyncio.create_task(accepted.write(bytes(1_000_000)))
            # Much stays in the stream's own buffer.
            connected.send(self.DATA)
            _, received = await asyncio.gather(
                connected.finish(), self.received(accepted)
            )
            self.assertEqual(len(self.DATA), len(received))
            self.assertEqual(b'', connected._rest)
            unread.cancel()
            await asyncio.gather(unread, return_exceptions=True)

    async def received(self, stream: TCPStream) -> bytes:
        data = b''
        with contextlib.suppress(OSError):
            while more := await stream.read():
                data += more
        await stream.close()
        return data


def anonymous(protocol: int) -> ssl.SSLContext:
    """TLS without certificates."""
    context = ssl.SSLContext(protocol)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # TLS 1.3 has no such ciphers.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers('AECDH:@SECLEVEL=0')
    return context


class PeerClosedTest(testtools.TestCase):
    def test_what_the_peer_sends_is_kept(self) -> None:
        uvloop.run(self.check_kept())

    async def check_kept(self) -> None:
        async with pair() as (connected, accepted):
            watch = asyncio.create_task(accepted.peer_closed())
            await connected.write(b'abcdef')
            while not accepted._rest:
                await asyncio.sleep(0.01)
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            self.assertEqual(b'ab', await accepted.read_exactly(2))
            await connected.write(b'ghi')
            self.assertEqual(b'cdefg', await accepted.read_exactly(5))
            self.assertEqual(b'hi', await accepted.read_exactly(2))
            watch = asyncio.create_task(accepted.peer_closed())
            await connected.write(b'jk')
            await connected.close()
            await watch
            self.assertEqual(b'jk', await accepted.read())
            self.assertEqual(b'', await accepted.read())
            with testtools.ExpectedException(PeerClosed):
                await accepted.read_exactly(1)

    def test_a_flood_waits_until_it_is_read(self) -> None:
        uvloop.run(self.check_waiting())

    async def check_waiting(self) -> None:
        async with pair() as (connected, accepted):
            async with asyncio.timeout(PATIENCE):
                # More than the buffers of the kernel.
                flood = asyncio.create_task(connected.write(bytes(10**7)))
                while not accepted._is_held:
                    await asyncio.sleep(0.01)
                # The event loop receives 250 KiB at most at once.
                self.assertGreaterEqual(65536 + 2**18, len(accepted._rest))
                await accepted.read_exactly(10**7)
                await flood

    def test_a_flood_counts_as_closed(self) -> None:
        uvloop.run(self.check_flood())

    async def check_flood(self) -> None:
        async with pair() as (connected, accepted):
            flood = asyncio.create_task(connected.write(bytes(10**7)))
            await accepted.peer_closed()
            # The event loop receives 250 KiB at most at once.
            self.assertGreaterEqual(65536 + 2**18, len(accepted._rest))
            flood.cancel()
            await asyncio.gather(flood, return_exceptions=True)
