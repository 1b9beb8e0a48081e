# SPDX-License-Identifier: Apache-2.0

"""Log-ins and sessions of native VNC clients."""

import signal
import socket
import ssl
import struct
from concurrent import futures
from typing import Any

from console_svc.compute.libvirt.vnc import Connection
from console_svc.protocols import rfb
from console_svc.tests import fixtures
from console_svc.tests.functional.proxy.native import (
    FAILED,
    NativeClientsTest,
)
from console_svc.tests.programs import consoles, process
from console_svc.tests.programs.bad_input import TO_TLS
from console_svc.tests.programs.gateway import by_target, desktop


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
        wrong = (
            ('instance-00000009', self.console['password']),
            ('', self.console['password']),
            ('\0', self.console['password']),
            (fixtures.SERVER, 'wrong'),
        )

        def check(named: tuple[str, str]) -> None:
            error = self.assertRaises(rfb.RFBError, self.by_target, *named)
            self.assertEqual(FAILED, str(error))

        # Together, as each has to wait for its answer.
        with futures.ThreadPoolExecutor(len(wrong)) as pool:
            list(pool.map(check, wrong))

    def by_target(self, name: str, password: str) -> Any:
        """Log in by the security type xvp."""
        line = Connection(self.connect(self.gateway.shared_port), password)
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
        self.refused('The console is not available.')
        self.wait_for_outcomes(refused=1)
        self.assertIn(
            'A native client cannot log in: Console for instance '
            f'{fixtures.SERVER} could not',
            self.gateway.proxy.log.read_text(),
        )


class UnreachableHypervisorTest(NativeClientsTest):
    def test_unreachable_hypervisor_is_reported(self) -> None:
        port = process.free_port()
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
        self.refused('The console service is unavailable. Try again later.')
        self.assertEqual(consoles.SCREEN, desktop(line))
        stream.close()


class DrainTest(NativeClientsTest):
    GATEWAY = {'proxy': {'drain_timeout': 600}}

    def test_log_ins_during_a_drain_are_refused(self) -> None:
        program = self.gateway.proxy.process
        stream, connection = self.log_in(
            self.console['port'], self.console['password']
        )
        late = self.connect(self.console['port'])
        # Accepted, as the gateway speaks first.
        self.assertEqual(b'RFB', late.recv(3, socket.MSG_PEEK))
        program.signal(signal.SIGTERM)
        program.wait_for(
            lambda: (
                self.gateway.proxy.local('/healthcheck').status_code == 503
            ),
            'the drain',
        )
        error = self.assertRaises(
            rfb.RFBError,
            Connection(late, self.console['password']).perform,
            rfb.log_in((rfb.VNC,)),
        )
        self.assertEqual('This console proxy is going down.', str(error))
        self.assertEqual(consoles.SCREEN, desktop(connection))
        stream.close()
        self.assertEqual(0, program.wait())
