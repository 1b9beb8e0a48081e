# SPDX-License-Identifier: Apache-2.0

"""X-Forwarded-* and Forwarded."""

import ipaddress

import testtools
from hypothesis import given
from hypothesis import strategies as st

from console_svc import forwarded
from console_svc.tests.unit.fuzz import SETTINGS, texts

LINES = st.lists(
    texts('0123456789abcdef:.[]%, "_')
    | st.from_regex(r'\[?[0-9a-f:.%]*\]?(:[0-9a-z_]*)?', fullmatch=True),
    max_size=5,
)
HOPS = st.integers(1, 5)


class ClientAddressTest(testtools.TestCase):
    def test_addresses_in_every_form(self) -> None:
        for element, address in (
            ('192.0.2.7', '192.0.2.7'),
            ('192.0.2.7:51512', '192.0.2.7'),
            ('192.0.2.7:', '192.0.2.7'),
            ('192.0.2.7:_port', '192.0.2.7'),
            (' 192.0.2.7\t', '192.0.2.7'),
            ('"192.0.2.7:51512"', '192.0.2.7'),
            ('2001:db8::7', '2001:db8::7'),
            ('2001:DB8:0::7', '2001:db8::7'),
            ('[2001:db8::7]', '2001:db8::7'),
            ('[2001:db8::7]:4711', '2001:db8::7'),
            ('"[2001:db8::7]:4711"', '2001:db8::7'),
            ('fe80::1%eth0', 'fe80::1'),
            ('[fe80::1%25eth0]:4711', 'fe80::1'),
            ('::ffff:192.0.2.7', '192.0.2.7'),
            ('[::ffff:192.0.2.7]:4711', '192.0.2.7'),
            ('::ffff:c000:207%1', '192.0.2.7'),
        ):
            self.assertEqual(
                address, forwarded.client_address([element], 1), element
            )

    def test_other_elements_are_not_addresses(self) -> None:
        for element in (
            '',
            ',',
            'unknown',
            '_hidden',
            '_hidden:80',
            'unix:',
            'localhost',
            '192.0.2',
            '192.0.2.300',
            '192.0.2.07',
            '192.0.2.7:1:2',
            '192.0.2.7 198.51.100.9',
            '2001:db8::7::',
            '[2001:db8::7',
            '2001:db8::7]',
            '[2001:db8::7]x',
            '[]:80',
            '%eth0',
            '3221225991',
            '٣.0.2.7',
            '1' * 100_000,
            ':' * 100_000,
        ):
            self.assertIsNone(
                forwarded.client_address([element], 1), element[:40]
            )
        self.assertIsNone(forwarded.client_address([], 1))

    def test_the_element_of_the_trusted_load_balancer_counts(self) -> None:
        for lines, hops, address in (
            (['203.0.113.1, 192.0.2.7'], 1, '192.0.2.7'),
            (['203.0.113.1', '192.0.2.7:80'], 1, '192.0.2.7'),
            (['203.0.113.1,192.0.2.7,198.51.100.9'], 2, '192.0.2.7'),
            (['203.0.113.1, 192.0.2.7', '198.51.100.9'], 2, '192.0.2.7'),
            (['192.0.2.7,'], 1, '192.0.2.7'),
            ([',, 203.0.113.1,, 192.0.2.7 , ,', ''], 1, '192.0.2.7'),
            (['203.0.113.1,', ',192.0.2.7,,198.51.100.9,'], 2, '192.0.2.7'),
            # A request that did not pass the first load balancer.
            (['192.0.2.7'], 2, '192.0.2.7'),
        ):
            self.assertEqual(
                address, forwarded.client_address(lines, hops), lines
            )

    def test_forged_elements_do_not_replace_an_unknown_one(self) -> None:
        for lines, hops in (
            (['203.0.113.1, unknown'], 1),
            (['203.0.113.1', '_hidden'], 1),
            (['203.0.113.1, unknown, 198.51.100.9'], 2),
        ):
            self.assertIsNone(forwarded.client_address(lines, hops), lines)

    @SETTINGS
    @given(LINES, HOPS)
    def test_any_header_is_an_address_or_none(
        self, lines: list[str], hops: int
    ) -> None:
        address = forwarded.client_address(lines, hops)
        if address is not None:
            self.assertEqual(address, str(ipaddress.ip_address(address)))
            self.assertNotIn('%', address)

    @SETTINGS
    @given(st.ip_addresses(), st.integers(0, 65535), LINES)
    def test_a_client_cannot_change_its_address(
        self,
        client: ipaddress.IPv4Address | ipaddress.IPv6Address,
        port: int,
        forged: list[str],
    ) -> None:
        host = f'[{client}]' if client.version == 6 else str(client)
        expected = getattr(client, 'ipv4_mapped', None) or client
        for added in (str(client), host, f'{host}:{port}'):
            for lines in (
                [*forged, added],
                [f'{",".join(forged)}, {added}'],
            ):
                self.assertEqual(
                    str(expected), forwarded.client_address(lines, 1)
                )


class SchemeTest(testtools.TestCase):
    def test_schemes(self) -> None:
        for lines, hops, scheme in (
            (['https'], 1, 'https'),
            (['HTTPS '], 1, 'https'),
            (['wss'], 1, 'https'),
            (['http'], 1, 'http'),
            (['WS'], 1, 'http'),
            (['http, https'], 1, 'https'),
            (['https', 'http'], 1, 'http'),
            (['https,http'], 2, 'https'),
            (['http, https, http'], 2, 'https'),
            (['https'], 2, 'https'),
            (['https,'], 1, 'https'),
            (['"https"'], 1, 'https'),
            (['h2'], 1, None),
            (['https, spdy'], 1, None),
            (['https http'], 1, None),
            ([''], 1, None),
            ([], 1, None),
        ):
            self.assertEqual(scheme, forwarded.scheme(lines, hops), lines)

    @SETTINGS
    @given(LINES, HOPS)
    def test_any_header_is_a_scheme_or_none(
        self, lines: list[str], hops: int
    ) -> None:
        self.assertIn(forwarded.scheme(lines, hops), ('http', 'https', None))


class HostTest(testtools.TestCase):
    def test_hosts_with_and_without_a_port(self) -> None:
        for element in (
            'compute.test',
            'compute.test:8774',
            'my_host',
            '192.0.2.7:80',
            '[2001:db8::7]:8774',
        ):
            self.assertEqual(element, forwarded.host([element], 1))
            self.assertEqual(element, forwarded.host([f'"{element}"'], 1))

    def test_other_elements_are_not_hosts(self) -> None:
        for element in (
            '',
            'a/b',
            'user@compute.test',
            'compute.test:x',
            'compute\ntest',
            'compute.test evil.test',
            '\xff',
            'x' * 256,
        ):
            self.assertIsNone(forwarded.host([element], 1), element)

    @SETTINGS
    @given(LINES, HOPS)
    def test_any_lines_have_a_host_or_none(
        self, lines: list[str], hops: int
    ) -> None:
        found = forwarded.host(lines, hops)
        self.assertTrue(found is None or found.isprintable())


class PrefixTest(testtools.TestCase):
    def test_prefixes_have_no_slash_at_the_end(self) -> None:
        for element, prefix in (
            ('/console', '/console'),
            ('/console/', '/console'),
            ('/a/b-c.d_e~f', '/a/b-c.d_e~f'),
        ):
            self.assertEqual(prefix, forwarded.prefix([element], 1))

    def test_other_elements_are_not_prefixes(self) -> None:
        for element in (
            '',
            '/',
            'console',
            '//evil.test',
            '/\xff',
            '/a b',
            '/a?b',
            '/a' * 17,
        ):
            self.assertIsNone(forwarded.prefix([element], 1), element)


class ForwardedTest(testtools.TestCase):
    def test_parameters_of_the_trusted_element(self) -> None:
        self.assertEqual(
            {'for': '"[2001:db8::7]:4711"', 'proto': 'https', 'host': 'a.b'},
            forwarded.parameters(
                [
                    'for=192.0.2.66;host=evil.test',
                    'For="[2001:db8::7]:4711"; Proto=https;host=a.b',
                ],
                1,
            ),
        )

    def test_an_open_quote_does_not_hide_the_trusted_element(self) -> None:
        self.assertEqual(
            {'for': '192.0.2.7'},
            forwarded.parameters(['for="192.0.2.66, for=192.0.2.7'], 1),
        )

    def test_the_trusted_hop_counts(self) -> None:
        lines = ['for=192.0.2.66, for=192.0.2.7', 'for=192.0.2.9']
        for hops, address in ((1, '192.0.2.9'), (2, '192.0.2.7')):
            self.assertEqual(
                {'for': address}, forwarded.parameters(lines, hops)
            )

    @SETTINGS
    @given(LINES, HOPS)
    def test_any_lines_have_parameters(
        self, lines: list[str], hops: int
    ) -> None:
        forwarded.parameters(lines, hops)
