# SPDX-License-Identifier: Apache-2.0

"""Native VNC clients on the gateway, in front of a VNC server's stub."""

import contextlib
import logging
import socket
import ssl
import struct
import time
from concurrent import futures
from typing import Any, ClassVar

import fixtures as fixtures_

from console_svc.compute.libvirt.vnc import Line
from console_svc.protocols import rfb
from console_svc.tests import fixtures
from console_svc.tests.programs import consoles, process
from console_svc.tests.programs.bad_input import TO_TLS
from console_svc.tests.programs.gateway import (
    Gateway,
    GatewayTest,
    by_target,
    desktop,
)

FAILED = 'Authentication failed.'


class NativeClientsTest(GatewayTest):
    """One gateway for all tests of a class, and a console for each test."""

    #: Arguments of :class:`Gateway`.
    GATEWAY: ClassVar[dict[str, Any]] = {}

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        console = consoles.TCPConsole(consoles.vnc)
        console.setUp()
        cls.addClassCleanup(console.cleanUp)
        cls.gateway = Gateway(console.port, **cls.GATEWAY)
        cls.gateway.setUp()
        cls.addClassCleanup(cls.gateway.cleanUp)

    def setUp(self) -> None:
        super().setUp()
        self.console = self.gateway.open()
        self.addCleanup(self.check_log)

    def check_log(self) -> None:
        log = self.gateway.proxy.log.read_text()
        for secret in (*self.gateway.service.secrets, 'Traceback'):
            self.assertNotIn(secret, log)

    def check_accepted(self, *types: int) -> None:
        """Check that the right password leads to the screen."""
        _, line = self.log_in(
            self.console['port'], self.console['password'], *types
        )
        self.assertEqual(consoles.SCREEN, desktop(line))

    def refused(self, reason: str, *types: int) -> None:
        """Check that even the right password is refused, and why."""
        self.check_refused(
            reason, self.console['port'], self.console['password'], *types
        )

    def wait_for_outcomes(self, **outcomes: float) -> None:
        """Wait for metrics; a client may have its answer before them."""
        process.wait_for(
            lambda: outcomes.items() <= self.gateway.outcomes().items(),
            f'{outcomes} in the metrics',
        )


class LoginTest(NativeClientsTest):
    def test_security_types_of_each_port(self) -> None:
        """noVNC alone knows xvp, and takes the first type that it knows."""
        for port, types in (
            (self.console['port'], [rfb.VENCRYPT, rfb.VNC]),
            (self.gateway.shared_port, [rfb.XVP, rfb.VENCRYPT]),
        ):
            with self.connect(port) as stream:
                stream.sendall(b'RFB 003.008\n')
                said = consoles.heard(stream, bytes([len(types), *types]))
                self.assertTrue(said.endswith(bytes([len(types), *types])))

    def test_deleting_a_console_refuses_its_password(self) -> None:
        before = self.gateway.outcomes().get('accepted', 0)
        self.check_accepted()
        self.check_accepted(rfb.VENCRYPT)
        self.wait_for_outcomes(accepted=before + 2)
        self.gateway.close(self.console)
        self.refused(FAILED)

    def test_deleting_a_console_ends_its_sessions(self) -> None:
        stream, line = self.log_in(
            self.console['port'], self.console['password']
        )
        self.assertEqual(consoles.SCREEN, desktop(line))
        self.gateway.close(self.console)
        while stream.recv(65536):
            pass

    def test_ending_a_session_keeps_the_console(self) -> None:
        stream, line = self.log_in(
            self.console['port'], self.console['password']
        )
        self.assertEqual(consoles.SCREEN, desktop(line))
        for session in self.gateway.sessions():
            answer = self.gateway.service.request(
                'DELETE',
                f'/v2.1/servers/{fixtures.SERVER}/console-sessions/'
                f'{session["id"]}',
                fixtures.MEMBER,
            )
            self.assertEqual(204, answer.status_code)
        while stream.recv(65536):
            pass
        self.check_accepted()

    def test_names_of_consoles_on_the_shared_port(self) -> None:
        for name in (fixtures.SERVER, 'instance-00000001'):
            line = self.by_target(name, self.console['password'])
            self.assertEqual(consoles.SCREEN, desktop(line))
        for name, password in (
            ('instance-00000009', self.console['password']),
            ('', self.console['password']),
            ('\0', self.console['password']),
            (fixtures.SERVER, 'wrong'),
        ):
            error = self.assertRaises(
                rfb.RFBError, self.by_target, name, password
            )
            self.assertEqual(FAILED, str(error))

    def by_target(self, name: str, password: str) -> Any:
        """Log in by the security type xvp."""
        line = Line(self.connect(self.gateway.shared_port), password)
        line.perform(by_target(name))
        return line

    def test_unused_port_refuses_every_password(self) -> None:
        self.check_refused(
            FAILED,
            next(
                port
                for port in range(
                    self.gateway.shared_port + 1, self.gateway.shared_port + 9
                )
                if port != self.console['port']
            ),
            self.console['password'],
        )

    def test_data_before_tls_is_refused(self) -> None:
        """Else it would be taken for a response inside TLS."""
        hello = TO_TLS + struct.pack('>I', rfb.X509_VNC)
        context = ssl.create_default_context(cafile=self.gateway.authority)
        for injected in b'', bytes(rfb.CHALLENGE):
            stream = self.connect(self.console['port'])
            stream.sendall(hello + injected)
            consoles.heard(
                stream, struct.pack('>BBI', 0, 1, rfb.X509_VNC) + b'\x01'
            )
            if injected:
                self.assertRaises(
                    OSError,
                    context.wrap_socket,
                    stream,
                    server_hostname='127.0.0.1',
                )
            else:
                context.wrap_socket(stream, server_hostname='127.0.0.1')


class StoppedServerTest(NativeClientsTest):
    def test_password_of_a_stopped_server_is_refused(self) -> None:
        self.gateway.service.write_inventory({'servers': []})
        self.refused('The console is not there now.')
        self.wait_for_outcomes(refused=1)
        self.assertIn(
            f'Console for instance {fixtures.SERVER} could not',
            self.gateway.proxy.log.read_text(),
        )


class UnreachableHypervisorTest(NativeClientsTest):
    def test_unreachable_hypervisor_is_reported(self) -> None:
        (port,) = self.useFixture(process.Ports(1)).ports
        document = fixtures.inventory()
        document['servers'][0]['consoles'][0].update(
            host='127.0.0.1', port=port
        )
        self.gateway.service.write_inventory(document)
        self.refused('The hypervisor does not answer.')
        self.wait_for_outcomes(refused=1)


class UnavailableApiTest(NativeClientsTest):
    def test_sessions_survive_an_unavailable_api(self) -> None:
        stream, line = self.log_in(
            self.console['port'], self.console['password']
        )
        self.gateway.service.stop()
        self.refused('The console service is away. Try again later.')
        self.assertEqual(consoles.SCREEN, desktop(line))
        stream.close()


class WithoutCertificateTest(NativeClientsTest):
    GATEWAY = {'tls': False}

    def test_tls_is_not_offered(self) -> None:
        self.check_accepted()
        self.refused('it offers security types [2] alone', rfb.VENCRYPT)


class RequiredTLSTest(NativeClientsTest):
    GATEWAY = {'rfb_options': {'require_tls': True}}

    def test_clients_without_tls_are_refused(self) -> None:
        self.check_accepted(rfb.VENCRYPT)
        self.refused('it offers security types [19] alone')


class SingleUseTest(NativeClientsTest):
    GATEWAY = {'consoles': {'native_max_uses': 1}}

    def test_used_up_console_refuses_its_password(self) -> None:
        self.check_accepted()
        self.refused('Console is used up.')


class BoundConsoleTest(NativeClientsTest):
    GATEWAY = {
        'consoles': {'bind_to_client_address': True},
        'oslo_middleware': {'enable_proxy_headers_parsing': True},
    }

    def test_password_is_good_for_one_address_only(self) -> None:
        self.check_accepted()
        self.gateway.close(self.console)
        self.gateway.service.request(
            'POST',
            f'/v2.1/servers/{fixtures.SERVER}/consoles',
            fixtures.MEMBER,
            headers={'X-Forwarded-For': '192.0.2.1'},
        )
        self.console = self.gateway.open()
        self.refused(FAILED)


class ExpiringConsoleTest(NativeClientsTest):
    GATEWAY = {'consoles': {'native_ttl': 4}}

    def test_expired_console_refuses_its_password(self) -> None:
        self.check_accepted()
        time.sleep(4)
        self.refused(FAILED)


class LockTest(NativeClientsTest):
    GATEWAY = {'rfb_options': {'max_failures': 3, 'lock_time': 5}}

    def test_wrong_passwords_delay_and_lock(self) -> None:
        events = self.useFixture(
            fixtures_.FakeLogger('console_svc.audit', level=logging.INFO)
        )
        # Seconds at least: each answer is delayed twice as long.
        for delay in 1, 2:
            began = time.monotonic()
            self.check_refused(FAILED, self.console['port'], 'guess')
            self.assertGreaterEqual(time.monotonic() - began, delay)
        locked = 'Too many wrong passwords. Try again later.'
        began = time.monotonic()
        with futures.ThreadPoolExecutor(1) as pool:
            guess = pool.submit(
                self.check_refused, locked, self.console['port'], 'guess'
            )
            self.wait_for_outcomes(failed=2, locked=1)
            self.refused(locked)
            guess.result()
        # The answers come with the end of the lock.
        self.assertGreaterEqual(time.monotonic() - began, 3)
        self.assertEqual({'failed': 2, 'locked': 2}, self.gateway.outcomes())
        self.assertIn('console_gateway.authenticate', events.output)
        self.check_accepted()


class AddressLimitTest(NativeClientsTest):
    GATEWAY = {'rfb_options': {'max_connections_per_address': 3}}

    def test_connections_beyond_the_limit_are_closed(self) -> None:
        def version(stream: socket.socket) -> bytes:
            """What the gateway says first; nothing if it is crowded."""
            with contextlib.suppress(ConnectionResetError):
                return stream.recv(12)
            return b''

        port = self.console['port']
        streams = [self.connect(port) for _ in range(3)]
        for stream in streams:
            self.assertEqual(b'RFB 003.008\n', version(stream))
        self.assertEqual(b'', version(self.connect(port)))
        # The limit holds for all ports together.
        self.assertEqual(b'', version(self.connect(self.gateway.shared_port)))
        self.wait_for_outcomes(crowded=2)
        streams.pop().close()
        self.wait_for_outcomes(broken=1)
        process.wait_for(
            lambda: version(self.connect(port)), 'room for one more'
        )
