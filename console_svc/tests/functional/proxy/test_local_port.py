# SPDX-License-Identifier: Apache-2.0

"""The local port beside crowds of connections."""

import contextlib

from console_svc.tests.functional.proxy.base import ProxyTest
from console_svc.tests.programs import bad_input, process

#: More than the proxy accepts with max_sessions = 1.
CROWD = 700


class CrowdTest(ProxyTest):
    PROXY = {'max_sessions': 1, 'handshake_timeout': 600}

    def crowd(self, port: int) -> contextlib.ExitStack:
        """Silent connections; the end of the context closes them."""
        stack = contextlib.ExitStack()
        for number in range(CROWD):
            address = f'127.0.1.{1 + number % 100}'
            stack.enter_context(bad_input.connect(port, b'', address))
        return stack

    def test_browsers_without_a_place_leave_the_local_port_alone(self) -> None:
        with self.crowd(self.proxy.port):
            # Some have a place.
            process.wait_for(
                lambda: self.proxy.descriptors() > 100, 'the crowd'
            )
            for path in '/healthcheck', '/metrics':
                self.assertEqual(200, self.proxy.local(path).status_code)

    def test_connections_to_the_local_port_take_no_place(self) -> None:
        self.console()
        with self.crowd(self.proxy.local_port):
            process.wait_for(
                lambda: self.proxy.descriptors() > 100, 'the crowd'
            )
            self.check_echo(self.connect())
