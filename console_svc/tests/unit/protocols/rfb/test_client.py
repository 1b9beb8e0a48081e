# SPDX-License-Identifier: Apache-2.0

import contextlib
from typing import Any

import testtools
from hypothesis import given
from hypothesis import strategies as st

from console_svc.protocols import rfb
from console_svc.tests.unit.protocols.rfb.peer import (
    FAILED,
    OK,
    V3,
    V7,
    V8,
    NoMoreData,
    number,
    talk,
)

TO_TLS = b'\x01\x13' + b'\x00\x02' + b'\x00'
EVERY_TYPE = (rfb.NONE, rfb.VNC, rfb.VENCRYPT)


class ProtectedTest(testtools.TestCase):
    def is_protected(self, *sent: bytes) -> bool:
        return bool(talk(rfb.is_protected(), *sent)[0])

    def test_vnc_authentication_protects(self) -> None:
        self.assertTrue(self.is_protected(V8, b'\x01\x02'))
        self.assertTrue(self.is_protected(V3, number(2)))

    def test_vnc_authentication_inside_tls_protects(self) -> None:
        self.assertTrue(self.is_protected(V8, TO_TLS, b'\x01', number(261)))

    def test_no_authentication_does_not_protect(self) -> None:
        self.assertFalse(self.is_protected(V8, b'\x01\x01'))
        self.assertFalse(self.is_protected(V3, number(1)))

    def test_a_choice_of_types_does_not_protect(self) -> None:
        self.assertFalse(self.is_protected(V8, b'\x02\x01\x02'))
        self.assertFalse(self.is_protected(V8, b'\x02\x02\x13'))

    def test_tls_alone_does_not_protect(self) -> None:
        self.assertFalse(self.is_protected(V8, TO_TLS, b'\x01', number(260)))

    def test_bad_servers_are_errors(self) -> None:
        for error, sent in (
            (NoMoreData, ()),
            (rfb.RFBError, (b'SSH-2.0-Open',)),
            (rfb.RFBError, (b'RFB 003.abc\n',)),
            (NoMoreData, (V8,)),
            (rfb.RFBError, (V8, b'\x00', number(4), b'busy')),
            (NoMoreData, (V8, b'\x05\x02')),
            (rfb.RFBError, (V8, b'\x01\x13', b'\x00\x02', b'\x01')),
        ):
            self.assertRaises(error, self.is_protected, *sent)


class LogInTest(testtools.TestCase):
    RESPONSE = rfb.response(bytes(16), 'sesame')

    def log_in(self, *sent: bytes, accepted: Any = EVERY_TYPE) -> bytes:
        return talk(rfb.log_in(accepted), *sent)[1]

    def test_log_in_without_authentication(self) -> None:
        for version, sent, received in (
            (V8, b'\x01\x01' + OK, b'\x01'),
            (V7, b'\x01\x01', b'\x01'),
            (V3, number(1), b''),
        ):
            self.assertEqual(version + received, self.log_in(version, sent))

    def test_log_in_with_a_password(self) -> None:
        for version, sent, received in (
            (V8, b'\x01\x02', b'\x02'),
            (V7, b'\x01\x02', b'\x02'),
            (V3, number(2), b''),
        ):
            self.assertEqual(
                version + received + self.RESPONSE,
                self.log_in(version, sent, bytes(16), OK),
            )

    def test_log_in_with_tls(self) -> None:
        for subtype, sent, received in (
            (260, b'', b''),
            (261, bytes(16), self.RESPONSE),
        ):
            self.assertEqual(
                V8 + b'\x13\x00\x02' + number(subtype) + b'<TLS>' + received,
                self.log_in(
                    V8, TO_TLS, b'\x01', number(subtype), b'\x01', sent, OK
                ),
            )

    def test_the_first_type_in_order_is_chosen(self) -> None:
        self.assertEqual(
            V8 + b'\x02' + self.RESPONSE,
            self.log_in(
                V8,
                b'\x02\x01\x02',
                bytes(16),
                OK,
                accepted=(rfb.VENCRYPT, rfb.VNC, rfb.NONE),
            ),
        )

    def test_refusals_are_errors(self) -> None:
        for message, sent in (
            ('No!', (V8, b'\x01\x02', bytes(16), FAILED, number(3), b'No!')),
            ('refused', (V7, b'\x01\x02', bytes(16), FAILED)),
            ('busy', (V8, b'\x00', number(4), b'busy')),
            ('busy', (V3, number(0), number(4), b'busy')),
            ('it offers security types [5] alone', (V8, b'\x01\x05')),
            (
                'it offers VeNCrypt subtypes [258] alone',
                (V8, TO_TLS, b'\x01', number(258)),
            ),
            ('it refuses TLS', (V8, TO_TLS, b'\x01', number(260), b'\x00')),
            (
                'No!',
                (
                    V8,
                    TO_TLS,
                    b'\x01',
                    number(261),
                    b'\x01',
                    bytes(16),
                    FAILED,
                    number(3),
                    b'No!',
                ),
            ),
        ):
            error = self.assertRaises(rfb.RFBError, self.log_in, *sent)
            self.assertEqual(message, str(error))

    def test_newer_servers_are_taken_for_3_8(self) -> None:
        for version in b'RFB 004.001\n', b'RFB 005.000\n':
            self.assertEqual(
                V8 + b'\x01', self.log_in(version, b'\x01\x01' + OK)
            )

    def test_text_of_a_server_is_escaped_and_cut(self) -> None:
        for reason, message in (
            ('busy\r\nINFO all is well', r'busy\r\nINFO all is well'),
            ('\x1b[2J\0', r'\x1b[2J\x00'),
            ('\u202eevil\u2028', r'\u202eevil\u2028'),
            ('Größe: 5 €', 'Größe: 5 €'),
            ('x' * 1000, 'x' * 300),
        ):
            data = reason.encode()
            error = self.assertRaises(
                rfb.RFBError,
                self.log_in,
                *(V8, b'\x00', number(len(data)), data),
            )
            self.assertEqual(message, str(error))
        every = bytes(range(23, 256))
        error = self.assertRaises(
            rfb.RFBError, self.log_in, V8, bytes([len(every)]), every
        )
        self.assertEqual(300, len(str(error)))

    def test_types_that_are_not_accepted_are_never_chosen(self) -> None:
        """A server cannot downgrade a log-in that requires TLS."""
        self.assertRaises(
            rfb.RFBError,
            self.log_in,
            V8,
            b'\x01\x01',
            OK,
            accepted=(rfb.VENCRYPT,),
        )

    @given(st.binary(max_size=80))
    def test_any_data_is_an_error_or_a_login(self, sent: bytes) -> None:
        for start in (b'', V8, V8 + TO_TLS):
            with contextlib.suppress(rfb.RFBError, NoMoreData):
                self.log_in(start, sent)
