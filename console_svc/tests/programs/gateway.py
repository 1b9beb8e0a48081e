# SPDX-License-Identifier: Apache-2.0

"""The gateway for native clients, and a client of a few lines."""

import pathlib
import socket
from typing import Any

import fixtures as fixtures_
import testtools

from console_svc.compute.libvirt.vnc import Connection
from console_svc.protocols import rfb
from console_svc.tests import fixtures
from console_svc.tests.programs import certificates, process
from console_svc.tests.programs.proxy import Proxy
from console_svc.tests.programs.service import BaseService, Service


class Gateway(fixtures_.Fixture):
    """A service whose native consoles are on the gateway, and a gateway.

    :param port: of the VNC server that all consoles lead to; None: the
        compute driver knows where they are
    :param rfb_options: options of [rfb]
    :param consoles: options of [consoles]
    :param proxy: options of [proxy]
    :param tls: whether the gateway has a certificate
    :param kind: how the service is run
    :param groups: other options of the service
    """

    def __init__(
        self,
        port: int | None = None,
        rfb_options: dict[str, Any] | None = None,
        consoles: dict[str, Any] | None = None,
        proxy: dict[str, Any] | None = None,
        tls: bool = True,
        kind: type[BaseService] = Service,
        **groups: dict[str, Any],
    ) -> None:
        self._vnc_port = port
        self._rfb = rfb_options or {}
        self._consoles = consoles or {}
        self._proxy = proxy or {}
        self._tls = tls
        self._kind = kind
        self._groups = groups

    def _setUp(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
        certificates.write(folder)
        self.authority = str(folder / 'ca-cert.pem')
        # The first is for all consoles, the others are for one each.
        self.shared_port, *own = process.free_ports(9)
        ports = f'{own[0]}-{own[-1]}'
        options = {'listen_port': self.shared_port, **self._rfb}
        self.service = self.useFixture(
            self._kind(
                consoles={
                    'mode': 'gateway',
                    'public_hostname': '127.0.0.1',
                    'port_range': ports,
                    **self._consoles,
                },
                rfb=options,
                **self._groups,
            )
        )
        if self._vnc_port is not None:
            document = fixtures.inventory()
            for server in document['servers']:
                for console in server.get('consoles', ())[:1]:
                    console.update(host='127.0.0.1', port=self._vnc_port)
            self.service.write_inventory(document)
        certificate = {
            'cert': folder / 'server-cert.pem',
            'key': folder / 'server-key.pem',
        }
        self.proxy = self.useFixture(
            Proxy(
                self.service,
                rfb={**options, **(certificate if self._tls else {})},
                port_range=ports,
                keep_interval=1,
                **self._proxy,
            )
        )

    def open(
        self, server: str = fixtures.SERVER, member: str = fixtures.MEMBER
    ) -> dict[str, Any]:
        """Open a server's native console and show it."""
        path = f'/v2.1/servers/{server}/consoles'
        opened = self.service.request('POST', path, member)
        assert opened.status_code == 200, opened.text
        (found,) = self.service.request('GET', path, member).json()['consoles']
        shown = self.service.request(
            'GET', f'{path}/{found["console"]["id"]}', member
        )
        console: dict[str, Any] = shown.json()['console']
        return console

    def close(
        self, console: dict[str, Any], server: str = fixtures.SERVER
    ) -> None:
        """Delete a native console."""
        answer = self.service.request(
            'DELETE',
            f'/v2.1/servers/{server}/consoles/{console["id"]}',
            fixtures.MEMBER,
        )
        assert answer.status_code == 202, answer.text

    def sessions(self, server: str = fixtures.SERVER) -> list[dict[str, Any]]:
        """A server's sessions, as the API lists them."""
        found: list[dict[str, Any]] = self.service.request(
            'GET', f'/v2.1/servers/{server}/console-sessions', fixtures.MEMBER
        ).json()['console_sessions']
        return found

    def outcomes(self) -> dict[str, float]:
        """Outcomes of connections, from the proxy's metrics."""
        prefix = 'console_svc_proxy_native_clients_total{outcome="'
        return {
            name.removeprefix(prefix).rstrip('"}'): value
            for name, value in self.proxy.metrics().items()
            if name.startswith(prefix)
        }


class GatewayTest(testtools.TestCase):
    """Tests of a gateway with a client that goes step by step."""

    gateway: Gateway

    def connect(self, port: int) -> socket.socket:
        """A connection that is closed at the test's end."""
        stream = socket.create_connection(
            ('127.0.0.1', port), process.PATIENCE
        )
        self.addCleanup(stream.close)
        return stream

    def log_in(
        self, port: int, password: str, *types: int
    ) -> tuple[socket.socket, Connection]:
        """Log in on a console's own port.

        :param types: security types that the client accepts
        :raises console_svc.protocols.rfb.RFBError: the gateway refuses
        """
        stream = self.connect(port)
        line = Connection(stream, password)
        line.perform(rfb.log_in(types or (rfb.VNC,)))
        return stream, line

    def check_refused(
        self, reason: str, port: int, password: str, *types: int
    ) -> None:
        """Check that a log-in is refused with a reason."""
        error = self.assertRaises(
            rfb.RFBError, self.log_in, port, password, *types
        )
        self.assertEqual(reason, str(error))


def desktop(line: Connection) -> tuple[int, int]:
    """Send ClientInit; the size of the screen in ServerInit."""

    def ask() -> Any:
        yield rfb.Write(b'\x01')
        return (yield rfb.Read(4))

    data = line.perform(ask())
    return int.from_bytes(data[:2], 'big'), int.from_bytes(data[2:], 'big')


def by_target(name: str) -> rfb.Handshake[None]:
    """Log in by the security type xvp, as noVNC does.

    :param name: of the target
    """
    minor, types = yield from rfb.security_types()
    if rfb.XVP not in types:
        raise rfb.RFBError(f'it offers security types {sorted(types)} alone')
    target = name.encode()
    yield rfb.Write(bytes([rfb.XVP, 3, len(target)]) + b'joe' + target)
    challenge = yield rfb.Read(rfb.CHALLENGE)
    yield rfb.Write((yield rfb.Respond(challenge)))
    yield from rfb.result(minor)
