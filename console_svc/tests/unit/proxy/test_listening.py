# SPDX-License-Identifier: Apache-2.0

"""The sockets of a listening."""

import contextlib
import socket
from typing import Any

import testtools
from oslo_config import cfg

from console_svc.proxy import listening
from console_svc.tests import fixtures


class AddressesTest(testtools.TestCase):
    def addresses(
        self,
        port_range: str,
        spice: dict[str, Any] | None = None,
        **proxy: Any,
    ) -> list[tuple[str, int]]:
        configuration = self.useFixture(
            fixtures.Configuration(
                spice={'direct_host': '192.0.2.20', **(spice or {})},
                rfb={'enabled': True, 'host': '192.0.2.20'},
                consoles={'port_range': port_range},
                proxy={
                    'host': '192.0.2.20',
                    'ports': '6080,6082',
                    'local_port': 6089,
                    **proxy,
                },
            )
        )
        return listening.addresses(configuration.conf)

    def test_every_address_is_listed(self) -> None:
        self.assertEqual(
            [
                ('192.0.2.20', 6080),
                ('192.0.2.20', 6082),
                ('127.0.0.1', 6089),
                ('192.0.2.20', 5900),
                ('192.0.2.20', 5901),
            ],
            # 5900 is the shared port, and not a console's own.
            self.addresses('5900-5901'),
        )

    def test_ports_for_spice_are_listed_if_it_is_enabled(self) -> None:
        for options, ports in (
            ({}, [5899]),
            ({'direct_port': 5898}, [5898, 5899]),
            ({'direct_port': 5898, 'direct_tls_port': 0}, [5898]),
        ):
            enabled = {'direct_enabled': True, **options}
            self.assertEqual(
                [('192.0.2.20', port) for port in ports],
                self.addresses('5900-5901', enabled)[5:],
            )
        error = self.assertRaises(
            cfg.Error,
            self.addresses,
            '5899-5901',
            enabled | {'direct_port': 5899, 'direct_tls_port': 0},
        )
        self.assertIn('[spice] direct_port and direct_tls_port', str(error))

    def test_overlapping_ports_are_errors(self) -> None:
        error = self.assertRaises(cfg.Error, self.addresses, '5901-6099')
        self.assertIn('Port 6080 ', str(error))
        self.assertIn('[consoles] port_range', str(error))
        self.addresses('5901-6099', host='192.0.2.21')
        # A wildcard address includes this one.
        for wildcard in '0.0.0.0', '::':
            self.assertRaises(
                cfg.Error, self.addresses, '5901-6099', host=wildcard
            )
        self.assertRaises(
            cfg.Error, self.addresses, '6089-6089', local_host='0.0.0.0'
        )
        self.addresses('6089-6089', local_port=0)


class ListeningSocketsTest(testtools.TestCase):
    def test_dead_clients_time_out_and_slow_ones_are_not_buffered(
        self,
    ) -> None:
        with contextlib.ExitStack() as stack:
            (listener,) = listening.listening_sockets('127.0.0.1', 0)
            stack.enter_context(listener)
            stack.enter_context(
                socket.create_connection(listener.getsockname())
            )
            accepted = stack.enter_context(listener.accept()[0])
            tcp = socket.IPPROTO_TCP
            for level, option, value in (
                (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
                (tcp, socket.TCP_USER_TIMEOUT, 120_000),
                (tcp, socket.TCP_NOTSENT_LOWAT, 128 * 1024),
            ):
                self.assertEqual(value, accepted.getsockopt(level, option))
