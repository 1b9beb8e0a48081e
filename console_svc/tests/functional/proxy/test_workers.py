# SPDX-License-Identifier: Apache-2.0

"""Worker processes: signals, metrics, and the start."""

import os
import signal
import socket

import testtools
from cryptography.fernet import Fernet
from testtools import MultipleExceptions
from websockets.sync import client

from console_svc.tests.functional.proxy.base import LAPSE, ProxyTest
from console_svc.tests.programs import process
from console_svc.tests.programs.proxy import Proxy


class WorkerTest(ProxyTest):
    """Each test has a proxy of its own."""

    # The sessions of dead workers lapse.
    CONSOLEAUTH = {'session_lapse': LAPSE}

    @classmethod
    def start_proxy(cls) -> None:
        pass

    def setUp(self) -> None:
        super().setUp()
        self.console()

    def test_drain_ends_sessions_after_its_timeout(self) -> None:
        self.start(drain_timeout=4, workers=2)
        connection = self.connect()
        self.check_echo(connection)
        self.assertEqual(200, self.proxy.local('/healthcheck').status_code)
        self.proxy.process.signal(signal.SIGTERM)
        process.wait_for(
            lambda: not process.listens(self.proxy.port), 'the drain'
        )
        self.check_echo(connection)
        self.assertEqual(
            (1001, 'This console proxy is going down.'),
            self.closed(connection),
        )
        self.assertEqual(0, self.proxy.process.wait())
        self.wait_for_no_session()

    @testtools.skipUnless(socket.has_dualstack_ipv6(), 'IPv6 is off')
    def test_wildcard_address_of_ipv6_includes_ipv4(self) -> None:
        self.start(host='::')
        for host, address in ('127.0.0.1', '127.0.0.1'), ('[::1]', '::1'):
            connection = client.connect(
                f'ws://{host}:{self.proxy.port}/?token={self.token()}'
            )
            self.addCleanup(connection.close)
            self.check_echo(connection)
            (session,) = self.sessions()
            self.assertEqual(address, session['client_address'])
            connection.close()
            self.wait_for_no_session()

    def test_drain_ends_with_the_last_session(self) -> None:
        self.start(drain_timeout=600)
        connection = self.connect()
        self.check_echo(connection)
        self.proxy.process.signal(signal.SIGTERM)
        process.wait_for(
            lambda: self.proxy.local('/healthcheck').status_code == 503,
            'the drain',
        )
        self.assertEqual('Draining\n', self.proxy.local('/healthcheck').text)
        connection.close()
        self.assertEqual(0, self.proxy.process.wait())

    def test_dead_workers_are_replaced(self) -> None:
        self.start(workers=2)
        self.check_echo(self.connect())
        pids = process.children(self.proxy.process.pid)
        self.assertEqual(2, len(pids))
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        process.wait_for(
            lambda: (
                len(process.children(self.proxy.process.pid) - pids) == 2
                and process.listens(self.proxy.port)
            ),
            'new workers',
        )
        self.check_echo(self.connect())
        # The sessions of dead workers are not counted.
        process.wait_for(
            lambda: self.proxy.metrics()['console_svc_proxy_sessions'] == 1,
            'the metrics',
        )

    def test_metrics_add_up_all_workers(self) -> None:
        self.start(workers=2)
        connections = [self.connect() for _ in range(6)]
        for connection in connections:
            self.check_echo(connection, b'hi')
        self.refused('?token=unknown')
        opened = 'console_svc_proxy_sessions_opened_total'
        expected = {
            'console_svc_proxy_sessions': 6,
            f'{opened}{{console_type="serial"}}': 6,
            'console_svc_proxy_refused_total{code="1008"}': 1,
            'console_svc_proxy_bytes_total{direction="from_client"}': 12,
            'console_svc_proxy_bytes_total{direction="to_client"}': 12,
            'console_svc_proxy_set_up_seconds_count': 6,
        }
        process.wait_for(
            lambda: expected.items() <= self.proxy.metrics().items(),
            'the metrics',
        )
        self.assertEqual(404, self.proxy.local('/').status_code)
        connections[0].close()
        process.wait_for(
            lambda: self.proxy.metrics()['console_svc_proxy_sessions'] == 5,
            'the metrics',
        )

    def test_wrong_options_prevent_the_start(self) -> None:
        key_file = self.new_folder() / 'keys'
        key_file.write_bytes(Fernet.generate_key())
        for options, reason in (
            ({'cert': '/nonexistent.pem'}, '/nonexistent.pem'),
            ({'ports': 'all'}, 'ports'),
            ({'ports': '6080,6080'}, 'Port 6080 is configured twice'),
            (
                {'allowed_origins': 'https://one.test, two.test/x'},
                'two.test/x',
            ),
            ({'handshake_timeout': 'x'}, 'handshake_timeout'),
            ({'frame_ancestors': 'a.test/x'}, 'a.test/x'),
            ({'console_api': {'timeout': 10}}, 'auth_type'),
            ({'console_api': {'auth_type': 'password'}}, 'auth_url'),
            (
                {'vnc': {'auth_schemes': 'vencrypt'}},
                '/etc/pki/console-svc-proxy/ca-cert.pem',
            ),
            ({'rdp': {'tls_ca_certs': '/nonexistent.pem'}}, '/nonexistent'),
            ({'rdp': {'tls_verify': 'x'}}, 'tls_verify'),
            (
                {'recording': {'mode': 'optional', 'key_file': '/none'}},
                '[recording] key_file: /none',
            ),
            (
                {'recording': {'mode': 'required', 'storage': 'tape'}},
                'tape is not a storage driver',
            ),
            (
                {
                    'recording': {
                        'mode': 'optional',
                        'key_file': key_file,
                        'directory': '/none/x',
                    }
                },
                '/none/x',
            ),
            ({'recording': {'types': 'serail'}}, 'serail'),
        ):
            proxy = Proxy(self.service, **options)
            error = self.assertRaises(MultipleExceptions, proxy.setUp)
            self.assertIn('has ended', str(error))
            self.assertIn(reason, str(error))
            self.assertNotIn('Traceback (most', str(error))
