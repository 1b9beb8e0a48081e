# SPDX-License-Identifier: Apache-2.0

"""Connections, as the proxy has them."""

import asyncio
import socket

import testtools
import uvloop

from console_svc.proxy.streams import TCPStream


class TCPStreamTest(testtools.TestCase):
    def test_who_has_vanished_is_given_up(self) -> None:
        """As the kernel is told; it is not waited for."""
        uvloop.run(self.check_options())

    async def check_options(self) -> None:
        accepted: asyncio.Future[TCPStream] = asyncio.Future()
        listener = await asyncio.start_server(
            lambda *pair: accepted.set_result(TCPStream(*pair)), '127.0.0.1', 0
        )
        port = listener.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection('127.0.0.1', port)
        connected = TCPStream(reader, writer)
        for stream in connected, await accepted:
            line = stream._writer.get_extra_info('socket')
            self.assertEqual(
                1, line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            )
            minutes = (
                line.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
                + line.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
                * line.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
            ) / 60
            self.assertEqual(2, minutes)
            self.assertEqual(
                120_000,
                line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
            )
            stream.abort()
        listener.close()
