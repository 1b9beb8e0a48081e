# SPDX-License-Identifier: Apache-2.0

"""The console proxy behind HAProxy, which reuses connections."""

import csv
import http.client
import io
import pathlib
import socket
from concurrent import futures
from typing import ClassVar

import fixtures as fixtures_
from websockets.sync import client

from console_svc.tests.functional.proxy.base import ProxyTest
from console_svc.tests.programs import process

# Connections to the proxy are kept and shared by all clients. A response that
# is lost is not asked for again.
_CONFIGURATION = """
global
    stats socket {socket}
defaults
    mode http
    timeout connect 60s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
    retries 0
frontend clients
    bind 127.0.0.1:{port}
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto https
    default_backend proxies
backend proxies
    http-reuse always
    server proxy 127.0.0.1:{backend}
"""

_NUMBER = 300


class HAProxy(fixtures_.Fixture):
    """HAProxy in front of a console proxy.

    :param backend: the port of the proxy
    """

    def __init__(self, backend: int) -> None:
        self._backend = backend
        self.port = process.free_port()

    def _setUp(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
        self._socket = folder / 'stats'
        file = folder / 'haproxy.cfg'
        file.write_text(
            _CONFIGURATION.format(
                socket=self._socket, port=self.port, backend=self._backend
            )
        )
        program = self.useFixture(
            process.Program(
                [process.program('haproxy'), '-db', '-f', str(file)],
                folder / 'haproxy.log',
            )
        )
        program.wait_for(lambda: process.listens(self.port), 'HAProxy')

    def statistics(self) -> dict[str, str]:
        """The statistics of the proxy as a server."""
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(str(self._socket))
            stream.sendall(b'show stat\n')
            text = stream.makefile().read().removeprefix('# ')
        return next(
            row
            for row in csv.DictReader(io.StringIO(text))
            if row['svname'] == 'proxy'
        )


class HAProxyTest(ProxyTest):
    folder: ClassVar[pathlib.Path]

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = cls.new_folder()
        cls.PROXY = {
            'web': cls.folder,
            'enable_proxy_headers_parsing': True,
        }
        super().setUpClass()

    def setUp(self) -> None:
        super().setUp()
        self.haproxy = self.useFixture(HAProxy(self.proxy.port))

    def test_no_page_is_lost_on_shared_connections(self) -> None:
        (self.folder / 'page.html').write_text('page')
        (self.folder / 'large.js').write_bytes(bytes(range(256)) * 1000)

        def load(number: int) -> int:
            """Load a page and its module on a connection of its own."""
            connection = http.client.HTTPConnection(
                '127.0.0.1', self.haproxy.port, timeout=process.PATIENCE
            )
            whole = 0
            for method, path, status in (
                ('GET', '/page.html', 200),
                ('GET', '/large.js', 200),
                ('HEAD', '/page.html', 200),
                ('GET', '/nothing', 404),
                ('POST', '/page.html', 405),
            ):
                connection.request(
                    method, path, b'x' * 1000 if method == 'POST' else None
                )
                response = connection.getresponse()
                response.read()
                whole += response.status == status
            connection.close()
            return whole

        with futures.ThreadPoolExecutor(8) as pool:
            loaded = list(pool.map(load, range(_NUMBER)))
        self.assertEqual([5] * _NUMBER, loaded)
        self.assertGreater(
            int(self.haproxy.statistics()['reuse']), 2 * _NUMBER
        )

    def test_console(self) -> None:
        self.console()
        for _ in range(10):
            with client.connect(
                f'ws://127.0.0.1:{self.haproxy.port}/?token={self.token()}',
                subprotocols=['binary'],  # type: ignore[list-item]
                origin='https://127.0.0.1:'  # type: ignore[arg-type]
                f'{self.haproxy.port}',
            ) as connection:
                self.check_echo(connection)
        self.wait_for_no_session()
