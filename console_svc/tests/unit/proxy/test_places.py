# SPDX-License-Identifier: Apache-2.0

import gc
import socket

import testtools

from console_svc.proxy.places import Connection, Places

ADDRESS = '192.0.2.1'


class PlacesTest(testtools.TestCase):
    def test_an_address_has_a_limit(self) -> None:
        places = Places(100, 2, 0)
        taken = [places.take(ADDRESS) for _ in range(3)]
        self.assertEqual([True, True, False], taken)
        self.assertEqual(2, places.held(ADDRESS))
        self.assertTrue(places.take('192.0.2.2'))
        places.free(ADDRESS)
        self.assertTrue(places.take(ADDRESS))
        self.assertEqual(3, len(places))

    def test_a_network_of_64_bits_counts_as_one_address(self) -> None:
        places = Places(100, 2, 0)
        self.assertTrue(places.take('2001:db8::1'))
        self.assertTrue(places.take('2001:db8::2'))
        self.assertFalse(places.take('2001:db8::3'))
        self.assertTrue(places.take('2001:db8:0:1::1'))

    def test_the_total_has_a_limit(self) -> None:
        for per_address in 10, None:
            places = Places(2, per_address, 0)
            self.assertTrue(places.take(ADDRESS))
            self.assertTrue(places.take('192.0.2.2'))
            self.assertFalse(places.take('192.0.2.3'))

    def test_load_balancers_have_all_places(self) -> None:
        places = Places(100, None, 50)
        self.assertTrue(all(places.take(ADDRESS) for _ in range(100)))
        self.assertFalse(places.take(ADDRESS))

    def test_some_places_are_left_for_new_addresses(self) -> None:
        places = Places(1000, 1000, 500)
        # An address alone gets all but the last places.
        while places.take(ADDRESS):
            pass
        self.assertEqual(500, places.held(ADDRESS))
        # Few greedy addresses leave new ones enough for a page.
        for number in range(10):
            while places.take(f'192.0.2.{100 + number}'):
                pass
        for _ in range(7):
            self.assertTrue(places.take('198.51.100.1'))
        # Many leave them a connection each.
        for number in range(120):
            while places.take(f'203.0.113.{number}'):
                pass
        self.assertTrue(places.take('198.51.100.2'))
        self.assertFalse(places.take('198.51.100.2'))

    def test_no_address_is_kept_without_a_connection(self) -> None:
        places = Places(10, 10, 0)
        for number in range(10):
            places.take(f'192.0.2.{number}')
            places.free(f'192.0.2.{number}')
        self.assertEqual(0, len(places))
        self.assertEqual({}, dict(places._held))


class ConnectionTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.freed = 0
        one, self.other = socket.socketpair()
        self.addCleanup(self.other.close)
        self.connection = Connection(one, self.free)

    def free(self) -> None:
        self.freed += 1

    def test_place_is_free_once_when_a_loop_closes_the_socket(self) -> None:
        self.assertEqual(0, self.freed)
        self.connection.close()
        self.connection.close()
        self.assertEqual(1, self.freed)
        self.assertEqual(b'', self.other.recv(1))

    def test_place_is_free_once_when_a_loop_detaches_the_socket(self) -> None:
        socket.close(self.connection.detach())
        self.connection.close()
        self.assertEqual(1, self.freed)
        self.assertEqual(b'', self.other.recv(1))
        del self.connection
        gc.collect()
        self.assertEqual(1, self.freed)
