# SPDX-License-Identifier: Apache-2.0

"""Tests of native SPICE clients, and a SPICE server's stub."""

import socket
import ssl
from typing import Any, ClassVar

from console_svc.tests import fixtures
from console_svc.tests.functional.proxy.base import (
    SERVER,
    SESSIONS,
    ProxyTest,
)
from console_svc.tests.programs import certificates, process
from console_svc.tests.programs.proxy import Proxy
from console_svc.tests.programs.spice import MAIN, Channel, Server

BASE_URL = '/direct/console'


class SpiceTest(ProxyTest):
    """A proxy for native SPICE clients, with and without TLS."""

    #: Options of [spice].
    SPICE: ClassVar[dict[str, Any]] = {}
    port: ClassVar[int]
    tls_port: ClassVar[int]
    tls: ClassVar[ssl.SSLContext]

    @classmethod
    def start_proxy(cls) -> None:
        folder = cls.new_folder()
        certificates.write(folder)
        cls.authority = folder / 'ca-cert.pem'
        cls.tls = ssl.create_default_context(cafile=cls.authority)
        cls.port, cls.tls_port = process.free_ports(2)
        cls.proxy = Proxy(
            cls.service,
            keep_interval=1,
            spice={
                'direct_port': cls.port,
                'direct_tls_port': cls.tls_port,
                'direct_cert': folder / 'server-cert.pem',
                'direct_key': folder / 'server-key.pem',
                'direct_ca': cls.authority,
                'spice_direct_proxy_base_url': f'http://127.0.0.1{BASE_URL}',
                **cls.SPICE,
            },
            **cls.PROXY,
        )
        cls.proxy.setUp()
        cls.addClassCleanup(cls.proxy.cleanUp)

    def serve(self, server: Server) -> Server:
        """Start a SPICE server; new tokens lead to it."""
        self.console(server.serve, kind='spice-direct')
        return server

    def place_with_tls(
        self, port: int, tls_port: int | None, kind: str = 'spice-direct'
    ) -> None:
        """Have new tokens lead to two ports of 127.0.0.1."""
        document = fixtures.inventory()
        console = {'type': kind, 'host': '127.0.0.1', 'port': port}
        if tls_port is not None:
            console['tls_port'] = tls_port
        document['servers'][0]['consoles'] = [console]
        self.service.write_inventory(document)

    def spice_token(self) -> str:
        """A new token of the type spice-direct."""
        return self.token('spice', 'spice-direct')

    def token_to_view(self) -> str:
        """A new token of this type for sessions that only view."""
        wanted = {'type': 'spice-direct', 'mode': 'view'}
        answer = self.service.request(
            'POST',
            f'{SERVER}/console-auth-tokens',
            fixtures.MEMBER,
            json={'console_auth_token': wanted},
        )
        token: str = answer.json()['console_auth_token']['token']
        self.service.secrets.add(token)
        return token

    def set_mode(self, mode: str) -> None:
        """Change the mode of the session, and wait until it is obeyed."""
        (session,) = self.sessions()
        answer = self.service.request(
            'PUT',
            f'{SESSIONS}/{session["id"]}',
            fixtures.MEMBER,
            json={'console_session': {'mode': mode}},
        )
        self.assertEqual(200, answer.status_code, answer.text)
        process.wait_for(
            lambda: self.sessions()[0]['enforced_mode'] == mode,
            f'the mode {mode}',
        )

    def dial(self, tls: bool = False) -> socket.socket:
        """A connection to the proxy."""
        stream = socket.create_connection(
            ('127.0.0.1', self.tls_port if tls else self.port),
            process.PATIENCE,
        )
        if tls:
            stream = self.tls.wrap_socket(stream, server_hostname='127.0.0.1')
        self.addCleanup(stream.close)
        return stream

    def channel(
        self,
        token: str,
        kind: int = MAIN,
        connection_id: int = 0,
        tls: bool = False,
    ) -> Channel:
        """A channel of a client."""
        return Channel(self.dial(tls), token, kind, connection_id)

    def outcomes(self) -> dict[str, float]:
        """Outcomes of channels, from the proxy's metrics."""
        prefix = 'console_svc_proxy_spice_clients_total{outcome="'
        return {
            name.removeprefix(prefix).rstrip('"}'): value
            for name, value in self.proxy.metrics().items()
            if name.startswith(prefix)
        }

    def wait_for_log(self, line: str) -> None:
        """Wait for a line in the proxy's log."""
        process.wait_for(
            lambda: line in self.proxy.log.read_text(), f'"{line}" in the log'
        )
