# SPDX-License-Identifier: Apache-2.0

import pathlib
import ssl

import fixtures
import testtools
from hypothesis import given
from hypothesis import strategies as st
from osc_lib import exceptions

from console_svc.osc.serial_console import tls_context, websocket_url
from console_svc.osc.terminal import Escape
from console_svc.tests.programs import certificates
from console_svc.tests.unit.fuzz import SETTINGS


class EscapeTest(testtools.TestCase):
    def check(self, sent: bytes, *typed: bytes, ends: bool = False) -> None:
        escape = Escape()
        self.assertEqual(sent, b''.join(map(escape.feed, typed)), typed)
        self.assertEqual(ends, escape.is_found, typed)

    def test_tilde_and_dot_after_a_line_break_end(self) -> None:
        self.check(b'', b'~.', ends=True)
        self.check(b'', b'~', b'.', ends=True)
        self.check(b'ls\r', b'ls\r', b'~', b'.rest', ends=True)
        self.check(b'ls\n', b'ls\n~.', ends=True)

    def test_two_tildes_after_a_line_break_send_one(self) -> None:
        self.check(b'~', b'~~')
        self.check(b'~.\r', b'~~.\r')
        self.check(b'~\r', b'~', b'~\r')
        self.check(b'\r~~', b'\r~~~')

    def test_other_tildes_are_sent(self) -> None:
        for typed in b'a~.', b'a~~', b'~x', b'~\r', b'~/\r', b'a~', b'\t~.':
            self.check(typed, typed)
        # An escape after a tilde of its own.
        self.check(b'~\r', b'~\r~.', ends=True)

    @SETTINGS
    @given(st.lists(st.text('~.\r\na', max_size=5)))
    def test_pieces_make_no_difference(self, pieces: list[str]) -> None:
        whole, typed = Escape(), ''.join(pieces).encode()
        sent = whole.feed(typed)
        escape = Escape()
        found = b''
        for piece in pieces:
            found += escape.feed(piece.encode())
            if escape.is_found:
                break
        self.assertEqual(sent, found)
        self.assertEqual(whole.is_found, escape.is_found)


class WebsocketUrlTest(testtools.TestCase):
    def test_pages_and_websockets(self) -> None:
        for url, expected in (
            ('ws://h:6083/?token=a', None),
            ('wss://h/x?token=a', None),
            ('http://h:6080/serial.html?token=a', 'ws://h:6080/?token=a'),
            ('https://h/serial.html?token=a', 'wss://h/?token=a'),
            ('https://h/c/serial.html?x=1&token=a', 'wss://h/c/?token=a'),
            (
                'https://[2001:db8::7]:1/s?token=a',
                'wss://[2001:db8::7]:1/?token=a',
            ),
            ('https://h/c/s.html?path=%3Ftoken%3Da', 'wss://h/?token=a'),
            ('https://h/s.html?path=x%3Ftoken%3Da', 'wss://h/x?token=a'),
            ('https://h?token=a', 'wss://h/?token=a'),
        ):
            self.assertEqual(expected or url, websocket_url(url))

    def test_other_urls_are_refused(self) -> None:
        for url in 'https://h/s.html', 'telnet://h/?token=a', '', 'h?token=a':
            error = self.assertRaises(
                exceptions.CommandError, websocket_url, url
            )
            self.assertNotIn('token=', str(error))


class TLSContextTest(testtools.TestCase):
    def test_options_of_the_client_hold(self) -> None:
        context = tls_context(True)
        self.assertEqual(ssl.CERT_REQUIRED, context.verify_mode)
        self.assertTrue(context.check_hostname)
        self.assertEqual(ssl.CERT_NONE, tls_context(False).verify_mode)
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        certificates.write(folder)
        context = tls_context(str(folder / 'ca-cert.pem'))
        self.assertEqual(1, len(context.get_ca_certs()))
        self.assertEqual(ssl.CERT_REQUIRED, context.verify_mode)
        self.assertEqual(
            ssl.CERT_REQUIRED, tls_context(str(folder)).verify_mode
        )

    def test_file_that_is_missing_is_named(self) -> None:
        error = self.assertRaises(
            exceptions.CommandError, tls_context, '/nowhere/ca.pem'
        )
        self.assertIn('/nowhere/ca.pem', str(error))
