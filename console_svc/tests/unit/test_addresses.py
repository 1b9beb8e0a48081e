# SPDX-License-Identifier: Apache-2.0

"""IP addresses of clients."""

import testtools

from console_svc import addresses


class AddressesTest(testtools.TestCase):
    def test_canonical_addresses(self) -> None:
        for text, address in (
            ('192.0.2.7', '192.0.2.7'),
            ('::ffff:192.0.2.7', '192.0.2.7'),
            ('2001:DB8:0::7', '2001:db8::7'),
            ('fe80::1%eth0', 'fe80::1'),
            ('', ''),
            ('a.socket', 'a.socket'),
        ):
            self.assertEqual(address, addresses.canonical(text))

    def test_found_addresses_are_canonical_and_short(self) -> None:
        for text, address in (
            ('192.0.2.7', '192.0.2.7'),
            ('::ffff:192.0.2.7', '192.0.2.7'),
            ('2001:0DB8:' + ':'.join(6 * ['0FFF']), '2001:db8' + 6 * ':fff'),
            ('fe80::1%eth0', 'fe80::1'),
            ('192.0.2.7, 192.0.2.8', None),
            ('a.socket', None),
            (f'fe80::1%{"x" * 100}', None),
            ('', None),
            (None, None),
        ):
            self.assertEqual(address, addresses.find(text))

    def test_same_addresses(self) -> None:
        self.assertTrue(addresses.same('::ffff:192.0.2.7', '192.0.2.7'))
        self.assertTrue(addresses.same('fe80::1%eth0', 'fe80::1'))
        self.assertFalse(addresses.same('fe80::1', 'fe80::2'))
        self.assertFalse(addresses.same(None, None))
        self.assertFalse(addresses.same('x', 'x'))
