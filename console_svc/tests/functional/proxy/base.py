# SPDX-License-Identifier: Apache-2.0

"""Tests of the console proxy with websocket clients."""

import pathlib
import socket
import ssl
import tempfile
from collections.abc import Callable
from typing import Any, ClassVar

import requests
import testtools
from websockets.exceptions import ConnectionClosed
from websockets.sync import client
from websockets.sync.client import ClientConnection

from console_svc.tests import fixtures
from console_svc.tests.programs import certificates, consoles, process
from console_svc.tests.programs.proxy import Proxy
from console_svc.tests.programs.service import Service

SERVER = f'/v2.1/servers/{fixtures.SERVER}'
SESSIONS = f'{SERVER}/console-sessions'

#: Values of [consoleauth] session_lapse, in seconds: the smallest one, and
#: one with which a session ends only if it is closed.
LAPSE = 3
NO_LAPSE = 1000

NO_ANSWER = (1014, 'The hypervisor does not answer.')


class ProxyTest(testtools.TestCase):
    """One service and one proxy for all tests of a class.

    The console is of the type serial, which the proxy relays as it is.
    """

    #: Arguments of :class:`Proxy`; most are options of [proxy].
    PROXY: ClassVar[dict[str, Any]] = {}
    #: The API.
    SERVICE: ClassVar[type[Service]] = Service
    #: Options of [consoleauth].
    CONSOLEAUTH: ClassVar[dict[str, Any]] = {}

    service: Service
    proxy: Proxy

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.service = cls.SERVICE(
            consoleauth={'session_lapse': NO_LAPSE, **cls.CONSOLEAUTH}
        )
        cls.service.setUp()
        cls.addClassCleanup(cls.service.cleanUp)
        cls.start_proxy()

    @classmethod
    def new_folder(cls) -> pathlib.Path:
        """A folder that exists until the end of the class."""
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        return pathlib.Path(temporary.name)

    @classmethod
    def use_tls(cls) -> ssl.SSLContext:
        """Give the proxy of the class a certificate, before it starts.

        :returns: the context of its clients
        """
        folder = cls.new_folder()
        certificates.write(folder)
        cls.PROXY = {
            **cls.PROXY,
            'cert': folder / 'server-cert.pem',
            'key': folder / 'server-key.pem',
        }
        return ssl.create_default_context(cafile=folder / 'ca-cert.pem')

    @classmethod
    def start_proxy(cls) -> None:
        """Start the proxy of the class; tests may have their own instead."""
        cls.proxy = Proxy(cls.service, keep_interval=1, **cls.PROXY)
        cls.proxy.setUp()
        cls.addClassCleanup(cls.proxy.cleanUp)

    def setUp(self) -> None:
        super().setUp()
        self.wait_for_no_session()
        if hasattr(self, 'proxy'):
            self.addCleanup(self.check_log)

    def start(self, **options: Any) -> None:
        """Start a proxy for this test alone.

        :param options: of [proxy]
        """
        self.proxy = self.useFixture(
            Proxy(self.service, keep_interval=1, **options)
        )
        self.addCleanup(self.check_log)

    def console(
        self,
        serve: Callable[[socket.socket], Any] = consoles.echo,
        path: str | None = None,
        kind: str = 'serial',
    ) -> None:
        """Start a console; new tokens lead to it.

        :param path: its internal access path
        :param kind: its console type
        """
        port = self.useFixture(consoles.TCPConsole(serve)).port
        self.place(port, path, kind)

    def place(
        self,
        port: int,
        path: str | None = None,
        kind: str = 'serial',
        host: str = '127.0.0.1',
    ) -> None:
        """Have new tokens lead to a port of this host."""
        document = fixtures.inventory()
        document['servers'][0]['consoles'] = [
            {
                'type': kind,
                'host': host,
                'port': port,
                **({} if path is None else {'internal_access_path': path}),
            }
        ]
        self.service.write_inventory(document)

    def check_log(self) -> None:
        """Check that the log has neither a secret nor a traceback."""
        log = self.proxy.log.read_text()
        for secret in (*self.service.secrets, 'Traceback'):
            self.assertNotIn(secret, log)

    def connect(
        self, target: str | None = None, **more: Any
    ) -> ClientConnection:
        """A websocket.

        :param target: path and query; None: the query has a new token
        :param more: arguments of websockets
        """
        if target is None:
            target = f'?token={self.token()}'
        connection = client.connect(
            f'{self.proxy.url}{target}',
            open_timeout=process.PATIENCE,
            close_timeout=1,
            **{'subprotocols': ['binary'], **more},
        )
        self.addCleanup(connection.close)
        return connection

    def token(self, protocol: str = 'serial', kind: str = 'serial') -> str:
        """A new console token."""
        url = self.url(protocol, kind)
        return url.replace('%3D', '=').rpartition('=')[2]

    def url(self, protocol: str, kind: str) -> str:
        """The URL of a new console token."""
        answer = self.service.request(
            'POST',
            f'{SERVER}/remote-consoles',
            fixtures.MEMBER,
            '2.99',
            json={'remote_console': {'protocol': protocol, 'type': kind}},
        )
        url: str = answer.json()['remote_console']['url']
        return url

    def check_echo(
        self,
        connection: ClientConnection,
        data: bytes = b'longer than a header',
    ) -> None:
        """Check that a console sends back what it gets."""
        for start in range(0, len(data), 65536):
            connection.send(data[start : start + 65536])
        got = b''
        while len(got) < len(data):
            got += connection.recv(process.PATIENCE)
        self.assertEqual(data, got)

    def closed(self, connection: ClientConnection) -> tuple[int, str]:
        """Code and reason with which the proxy closes a websocket."""
        try:
            while True:
                connection.recv(process.PATIENCE)
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return closed.rcvd.code, closed.rcvd.reason

    def refused(self, target: str, **more: Any) -> tuple[int, str]:
        """Code and reason with which the proxy closes a new websocket."""
        return self.closed(self.connect(target, **more))

    def sessions(self) -> list[dict[str, Any]]:
        """The server's sessions, as the API lists them."""
        answer = self.service.request('GET', SESSIONS, fixtures.MEMBER)
        found: list[dict[str, Any]] = answer.json()['console_sessions']
        return found

    def end(self, session: dict[str, Any]) -> requests.Response:
        """End a session at the API."""
        return self.service.request(
            'DELETE', f'{SESSIONS}/{session["id"]}', fixtures.MEMBER
        )

    def wait_for_no_session(self) -> None:
        process.wait_for(lambda: not self.sessions(), 'the sessions to end')
