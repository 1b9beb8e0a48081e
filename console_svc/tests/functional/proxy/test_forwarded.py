# SPDX-License-Identifier: Apache-2.0

"""Behind load balancers: where clients are, and how they connect."""

from typing import ClassVar

from console_svc.tests.functional.proxy.base import ProxyTest


class ForwardedCase(ProxyTest):
    def check(self, address: str, *lines: str) -> None:
        """Check the client's address of a session.

        :param lines: X-Forwarded-For
        """
        connection = self.connect(
            additional_headers=[('X-Forwarded-For', line) for line in lines]
        )
        self.check_echo(connection)
        (session,) = self.sessions()
        self.assertEqual(address, session['client_address'], lines)
        connection.close()
        self.wait_for_no_session()


class OneHopTest(ForwardedCase):
    PROXY: ClassVar = {'enable_proxy_headers_parsing': True}

    def test_addresses_in_every_form_open_consoles(self) -> None:
        self.console()
        for element, address in (
            ('192.0.2.7', '192.0.2.7'),
            ('192.0.2.7:51512', '192.0.2.7'),
            ('[2001:db8::7]:4711', '2001:db8::7'),
            ('[2001:db8::7]', '2001:db8::7'),
            ('fe80::1%eth0', 'fe80::1'),
            ('::ffff:192.0.2.7', '192.0.2.7'),
            ('192.0.2.7,', '192.0.2.7'),
            ('203.0.113.1,, [2001:db8::7]:4711', '2001:db8::7'),
        ):
            self.check(address, element)
        self.check('192.0.2.7', '203.0.113.1', '203.0.113.2, 192.0.2.7:80')

    def test_without_an_address_it_is_that_of_the_peer(self) -> None:
        self.console()
        for element in (
            'unknown',
            '_hidden',
            ',',
            '192.0.2.7, unknown',
            '\xf6',
        ):
            self.check('127.0.0.1', element)
        self.check('127.0.0.1')


class TwoHopsTest(ForwardedCase):
    PROXY: ClassVar = {
        'enable_proxy_headers_parsing': True,
        'trusted_hops': 2,
    }

    def test_the_first_trusted_load_balancer_knows_the_address(self) -> None:
        self.console()
        for lines in (
            ['203.0.113.1, 192.0.2.7:51512, 198.51.100.9'],
            ['203.0.113.1, 192.0.2.7', '198.51.100.9'],
            ['192.0.2.7'],
        ):
            self.check('192.0.2.7', *lines)
        self.check('127.0.0.1', '203.0.113.1, unknown, 198.51.100.9')
