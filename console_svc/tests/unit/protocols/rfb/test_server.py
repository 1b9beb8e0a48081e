# SPDX-License-Identifier: Apache-2.0

import contextlib

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


class OfferTest(testtools.TestCase):
    def test_every_version_is_understood(self) -> None:
        for version, minor, received in (
            (V8, 8, b'\x01\x02'),
            (V7, 7, b'\x01\x02'),
            (V3, 3, number(2)),
            (b'RFB 003.005\n', 3, number(2)),
            (b'RFB 003.889\n', 8, b'\x01\x02'),
            (b'RFB 004.001\n', 8, b'\x01\x02'),
            (b'RFB 005.000\n', 8, b'\x01\x02'),
        ):
            sent = version if minor == 3 else version + b'\x02'
            self.assertEqual(
                (minor, V8 + received), talk(rfb.offer(rfb.VNC), sent)
            )

    def test_another_protocol_is_an_error(self) -> None:
        for sent in (
            b'GET / HTTP/1',
            b'RFB 002.008\n',
            b'RFB 006.000\n',
            b'RFB 055.008\n',
            b'RFB 005.abc\n',
            b'RFB 5.00000\n',
            V8 + b'\x05',
        ):
            self.assertRaises(rfb.RFBError, talk, rfb.offer(rfb.NONE), sent)

    def test_refusal_offers_no_types_and_sends_the_reason(self) -> None:
        for version, zero in ((V8, b'\0'), (V7, b'\0'), (V3, bytes(4))):
            self.assertEqual(
                (None, V8 + zero + number(3) + b'No!'),
                talk(rfb.refuse('No!'), version),
            )

    def test_a_challenge_is_answered(self) -> None:
        self.assertEqual(
            (b'r' * 16, b'c' * 16), talk(rfb.ask(b'c' * 16), b'r' * 16)
        )

    def test_security_result_of_each_version(self) -> None:
        for minor, security_type, received in (
            (8, rfb.NONE, OK),
            (7, rfb.NONE, b''),
            (3, rfb.NONE, b''),
            (8, rfb.VNC, OK),
            (3, rfb.VNC, OK),
        ):
            self.assertEqual(
                (None, received), talk(rfb.welcome(minor, security_type))
            )
        self.assertEqual(
            (None, FAILED + number(3) + b'No!'), talk(rfb.reject(8, 'No!'))
        )
        self.assertEqual((None, FAILED), talk(rfb.reject(3, 'No!')))


class ReceiveTest(testtools.TestCase):
    """The log-ins of native clients."""

    CHALLENGE = bytes(range(16))
    RESPONSE = b'r' * 16

    def receive(
        self,
        *sent: bytes,
        types: tuple[int, ...] = (rfb.VENCRYPT, rfb.VNC),
        subtype: int = rfb.X509_VNC,
    ) -> tuple[rfb.Credentials, bytes]:
        login, received = talk(
            rfb.receive(self.CHALLENGE, types, subtype), *sent
        )
        return login, received

    def test_log_in_by_vnc_authentication(self) -> None:
        for version, minor in ((V8, 8), (V7, 7)):
            self.assertEqual(
                (
                    rfb.Credentials(minor, None, self.RESPONSE),
                    V8 + b'\x02\x13\x02' + self.CHALLENGE,
                ),
                self.receive(version, b'\x02', self.RESPONSE),
            )

    def test_log_in_by_the_oldest_version(self) -> None:
        self.assertEqual(
            (
                rfb.Credentials(3, None, self.RESPONSE),
                V8 + number(2) + self.CHALLENGE,
            ),
            self.receive(V3, self.RESPONSE),
        )
        for types in ((rfb.VENCRYPT,), (rfb.XVP,)):
            self.assertRaises(rfb.RFBError, self.receive, V3, types=types)

    def test_log_in_by_vnc_authentication_inside_tls(self) -> None:
        login, received = self.receive(
            V8, b'\x13', b'\x00\x02', number(261), self.RESPONSE
        )
        self.assertEqual(rfb.Credentials(8, None, self.RESPONSE), login)
        self.assertEqual(
            V8
            + b'\x02\x13\x02'
            + b'\x00\x02'
            + b'\x00\x01'
            + number(261)
            + b'\x01<TLS>'
            + self.CHALLENGE,
            received,
        )

    def test_log_in_by_user_name_and_password(self) -> None:
        login, received = self.receive(
            *(V8, b'\x13', b'\x00\x02', number(262)),
            *(number(5), number(6), b'web-1', b'sesame'),
            subtype=rfb.X509_PLAIN,
        )
        self.assertEqual(
            rfb.Credentials(
                8, 'web-1', rfb.response(self.CHALLENGE, 'sesame')
            ),
            login,
        )
        self.assertThat(received, testtools.matchers.EndsWith(b'\x01<TLS>'))

    def test_log_in_by_target(self) -> None:
        for user, target, name in (
            (b'joe', b'web-1', 'web-1'),
            (b'web-1', b'', 'web-1'),
            (b'', b'\xff', '\ufffd'),
        ):
            login, received = self.receive(
                *(V8, b'\x16', bytes([len(user), len(target)])),
                *(user, target, self.RESPONSE),
                types=(rfb.VENCRYPT, rfb.XVP),
            )
            self.assertEqual(rfb.Credentials(8, name, self.RESPONSE), login)
            self.assertEqual(V8 + b'\x02\x13\x16' + self.CHALLENGE, received)

    def test_types_that_were_not_offered_are_errors(self) -> None:
        for sent in (
            (V8, b'\x01'),
            (V8, b'\x16'),
            (V8, b'\x13', b'\x00\x01'),
            (V8, b'\x13', b'\x00\x02', number(260)),
            (V8, b'\x13', b'\x00\x02', number(262)),
        ):
            self.assertRaises(rfb.RFBError, self.receive, *sent)
        self.assertRaises(
            rfb.RFBError, self.receive, V8, b'\x02', types=(rfb.VENCRYPT,)
        )

    def test_too_long_names_and_passwords_are_errors(self) -> None:
        for lengths in ((1, 256), (2**32 - 1, 1)):
            self.assertRaises(
                rfb.RFBError,
                self.receive,
                *(V8, b'\x13', b'\x00\x02', number(262)),
                *map(number, lengths),
                subtype=rfb.X509_PLAIN,
            )

    @given(st.binary(max_size=80))
    def test_any_data_is_an_error_or_a_login(self, sent: bytes) -> None:
        for version in (b'', V8, V8 + b'\x13\x00\x02' + number(262)):
            with contextlib.suppress(rfb.RFBError, NoMoreData):
                self.receive(version, sent, subtype=rfb.X509_PLAIN)
