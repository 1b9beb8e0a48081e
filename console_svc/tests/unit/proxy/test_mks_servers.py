# SPDX-License-Identifier: Apache-2.0

import asyncio
import logging
from unittest import mock

import fixtures as fixtures_
import testtools
from websockets import http11
from websockets.server import ServerProtocol

from console_svc.proxy import hypervisors, mks_servers
from console_svc.proxy.api_answers import WEBMKS, OpenedSession
from console_svc.proxy.mks_servers import MKSServer, MKSServers
from console_svc.proxy.relaying import Receiver
from console_svc.proxy.streams import TCPStream
from console_svc.tests import fixtures

TICKET = 'cst-the-ticket'
# The host must not log.
_SILENT = logging.Logger('host', logging.CRITICAL)
URL = f'wss://192.0.2.1:902/ticket/{TICKET}'


class Host:
    """The connection to an ESXi host, which stays open."""

    def __init__(self) -> None:
        self.protocol = ServerProtocol(logger=_SILENT)
        self.receiver = mock.Mock(spec=Receiver)

    def relay_to(self, receiver: Receiver) -> None:
        self.receiver = receiver

    def send(self, data: bytes) -> None:
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if isinstance(event, http11.Request):
                self.protocol.send_response(self.protocol.accept(event))

    async def read(self) -> bytes:
        data = b''.join(self.protocol.data_to_send())
        if not data:
            raise AssertionError('The proxy waits for the host.')
        return data


class MKSServerTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures_.FakeLogger(level=logging.DEBUG))
        self.host = Host()
        self.server = MKSServer(self.host, URL)  # type: ignore[arg-type]
        asyncio.run(self.server.open())

    def test_neither_tickets_nor_keys_are_logged(self) -> None:
        self.server.send(b'a-password')
        self.assertNotIn(TICKET, self.log.output)
        self.assertNotIn('a-password', self.log.output)

    def test_close_frame_is_the_end(self) -> None:
        receiver = mock.Mock(spec=Receiver)
        self.server.relay_to(receiver)
        self.host.protocol.send_binary(b'last')
        self.host.protocol.send_close(1000)
        self.host.receiver.received(asyncio.run(self.host.read()))
        self.assertEqual(
            [mock.call.received(b'last'), mock.call.closed(None)],
            receiver.mock_calls,
        )

    def test_frames_behind_the_handshake_are_handed_over(self) -> None:
        host = Host()
        server = MKSServer(host, URL)  # type: ignore[arg-type]
        answer = host.read

        async def read() -> bytes:
            answered = await answer()
            host.protocol.send_binary(b'first')
            return answered + await answer()

        host.read = read  # type: ignore[method-assign]
        asyncio.run(server.open())
        receiver = mock.Mock(spec=Receiver)
        server.relay_to(receiver)
        self.assertEqual([mock.call.received(b'first')], receiver.mock_calls)


class ConnectionTest(testtools.TestCase):
    def test_connection_is_closed_if_the_handshake_is_cancelled(self) -> None:
        conf = self.useFixture(fixtures.Configuration()).conf
        connection = mock.Mock(spec=TCPStream)
        self.useFixture(
            fixtures_.MockPatchObject(
                hypervisors, 'connect', return_value=connection
            )
        )
        self.useFixture(
            fixtures_.MockPatchObject(
                mks_servers, '_start_tls', side_effect=asyncio.CancelledError
            )
        )
        session = OpenedSession(
            'id', 'server', WEBMKS, '192.0.2.1', 902, TICKET, None
        )

        async def connect() -> None:
            async with MKSServers(conf).connected(session):
                pass

        self.assertRaises(asyncio.CancelledError, asyncio.run, connect())
        connection.abort.assert_called_once_with()
