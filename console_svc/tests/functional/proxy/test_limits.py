# SPDX-License-Identifier: Apache-2.0

"""Limits of connections, which count when a connection is accepted."""

import contextlib
import resource
import socket
import ssl
from typing import Any

from websockets.sync import client
from websockets.sync.client import ClientConnection

from console_svc.tests.functional.proxy.base import ProxyTest
from console_svc.tests.programs import (
    bad_input,
    process,
)

CROWDED = 'console_svc_proxy_browsers_crowded_total'


class LimitsTest(ProxyTest):
    def idle(
        self, number: int, address: str = '127.0.0.1'
    ) -> list[socket.socket]:
        """Connections on which nothing is sent; some may be reset."""
        streams = [
            bad_input.connect(self.proxy.port, address=address)
            for _ in range(number)
        ]
        for stream in streams:
            self.addCleanup(stream.close)
        return streams

    def wait_for_crowded(self, number: int) -> None:
        process.wait_for(
            lambda: self.proxy.metrics().get(CROWDED) == number,
            f'{number} refused connections',
        )

    def connect_from(self, address: str, **more: Any) -> ClientConnection:
        """A websocket with a new token."""
        stream = bad_input.connect(self.proxy.port, address=address)
        connection = client.connect(
            f'{self.proxy.url}?token={self.token()}',
            sock=stream,
            open_timeout=process.PATIENCE,
            close_timeout=1,
            **more,
        )
        self.addCleanup(connection.close)
        return connection


class TLSTest(LimitsTest):
    PROXY = {'max_connections_per_address': 20, 'handshake_timeout': 4}
    context: ssl.SSLContext

    @classmethod
    def setUpClass(cls) -> None:
        cls.context = cls.use_tls()
        super().setUpClass()

    def test_tls_handshakes_count_and_time_out(self) -> None:
        streams = self.idle(20)
        for stream in streams:
            # The start of a ClientHello; it makes no progress.
            stream.sendall(b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc')
        streams += self.idle(10)
        self.wait_for_crowded(10)
        # Another address has places.
        self.console()
        self.check_echo(self.connect_from('127.0.0.2', ssl=self.context))
        for stream in streams:
            with contextlib.suppress(OSError):
                self.assertEqual(b'', stream.recv(100))
        self.check_echo(self.connect(ssl=self.context))


class PlaceTest(LimitsTest):
    PROXY = {'max_connections_per_address': 3, 'handshake_timeout': 600}

    def test_place_is_free_when_its_connection_has_ended(self) -> None:
        self.console()
        first = self.connect()
        self.check_echo(first)
        before = self.proxy.descriptors()
        first.close()
        for number in range(1, 4):
            # A connection to the client and one to the console are closed.
            process.wait_for(
                lambda: self.proxy.descriptors() <= before - 2, 'the end'
            )
            idle = self.idle(2)
            connection = self.connect()
            self.check_echo(connection)
            self.idle(1)
            self.wait_for_crowded(number)
            connection.close()
            for stream in idle:
                stream.close()


class ReserveTest(LimitsTest):
    PROXY = {'max_sessions': 1, 'handshake_timeout': 600}

    def test_a_flood_from_some_addresses_leaves_places_for_others(
        self,
    ) -> None:
        # There are 501 places.
        for host in range(2, 102):
            self.idle(10, f'127.0.0.{host}')
        self.console()
        self.check_echo(self.connect_from('127.0.0.200'))
        self.assertGreater(self.proxy.metrics()[CROWDED], 100)


class BalancerTest(LimitsTest):
    PROXY = {
        'enable_proxy_headers_parsing': True,
        'max_connections_per_address': 1,
    }

    def test_load_balancers_have_no_limit_per_address(self) -> None:
        self.console()
        for connection in [self.connect() for _ in range(5)]:
            self.check_echo(connection)


class DescriptorsTest(LimitsTest):
    PROXY = {'handshake_timeout': 600}

    def test_connections_wait_while_there_are_no_descriptors(self) -> None:
        self.console()
        self.check_echo(self.connect())
        (worker,) = process.children(self.proxy.process.pid)
        before = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        limit = self.proxy.descriptors() + 10
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (limit, before[1]))
        streams = self.idle(30)
        process.wait_for(
            lambda: 'Too many open files' in self.proxy.log.read_text(),
            'the log line',
        )
        for stream in streams[:25]:
            stream.close()
        self.check_echo(self.connect())
        resource.prlimit(worker, resource.RLIMIT_NOFILE, before)
        self.assertEqual(
            1, self.proxy.log.read_text().count('cannot be accepted')
        )
