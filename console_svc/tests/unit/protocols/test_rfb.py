# SPDX-License-Identifier: Apache-2.0

import contextlib
import struct
from typing import Any

import testtools
from hypothesis import given
from hypothesis import strategies as st

from console_svc.protocols import rfb

V3, V7, V8 = (b'RFB 003.%03d\n' % minor for minor in (3, 7, 8))
TO_TLS = b'\x01\x13' + b'\x00\x02' + b'\x00'
OK, NO = bytes(4), b'\0\0\0\1'
EVERYTHING = (rfb.NONE, rfb.VNC, rfb.VENCRYPT)


class HungUp(Exception):
    """The other end has nothing more to say."""


def talk(handshake: rfb.Handshake[Any], *heard: bytes) -> tuple[Any, bytes]:
    """Go through a handshake with an end that says these things.

    :returns: what comes of it, and what was said to the other end
    """
    waiting = b''.join(heard)
    said = b''
    outcome = None
    while True:
        try:
            step = handshake.send(outcome)  # type: ignore[arg-type]
        except StopIteration as end:
            return end.value, said
        outcome = None
        match step:
            case rfb.Read(number=wanted):
                if wanted > len(waiting):
                    raise HungUp
                outcome, waiting = waiting[:wanted], waiting[wanted:]
            case rfb.Write(data):
                said += data
            case rfb.Respond(challenge):
                outcome = rfb.response(challenge, 'sesame')
            case rfb.StartTLS():
                said += b'<TLS>'


def number(value: int) -> bytes:
    return struct.pack('>I', value)


class ProtectedTest(testtools.TestCase):
    def is_protected(self, *heard: bytes) -> bool:
        return bool(talk(rfb.is_protected(), *heard)[0])

    def test_by_a_password(self) -> None:
        self.assertTrue(self.is_protected(V8, b'\x01\x02'))
        self.assertTrue(self.is_protected(V3, number(2)))

    def test_by_a_password_inside_tls(self) -> None:
        self.assertTrue(self.is_protected(V8, TO_TLS, b'\x01', number(261)))

    def test_not_at_all(self) -> None:
        self.assertFalse(self.is_protected(V8, b'\x01\x01'))
        self.assertFalse(self.is_protected(V3, number(1)))

    def test_not_where_a_client_can_choose(self) -> None:
        self.assertFalse(self.is_protected(V8, b'\x02\x01\x02'))
        self.assertFalse(self.is_protected(V8, b'\x02\x02\x13'))

    def test_not_by_tls_alone(self) -> None:
        self.assertFalse(self.is_protected(V8, TO_TLS, b'\x01', number(260)))

    def test_who_knows(self) -> None:
        for error, heard in (
            (HungUp, ()),
            (rfb.RFBError, (b'SSH-2.0-Open',)),
            (rfb.RFBError, (b'RFB 003.abc\n',)),
            (HungUp, (V8,)),
            (rfb.RFBError, (V8, b'\x00', number(4), b'busy')),
            (HungUp, (V8, b'\x05\x02')),
            (rfb.RFBError, (V8, b'\x01\x13', b'\x00\x02', b'\x01')),
        ):
            self.assertRaises(error, self.is_protected, *heard)


class LogInTest(testtools.TestCase):
    RESPONSE = rfb.response(bytes(16), 'sesame')

    def log_in(self, *heard: bytes, accepted: Any = EVERYTHING) -> bytes:
        return talk(rfb.log_in(accepted), *heard)[1]

    def test_without_authentication(self) -> None:
        for version, heard, said in (
            (V8, b'\x01\x01' + OK, b'\x01'),
            (V7, b'\x01\x01', b'\x01'),
            (V3, number(1), b''),
        ):
            self.assertEqual(version + said, self.log_in(version, heard))

    def test_with_a_password(self) -> None:
        for version, heard, said in (
            (V8, b'\x01\x02', b'\x02'),
            (V7, b'\x01\x02', b'\x02'),
            (V3, number(2), b''),
        ):
            self.assertEqual(
                version + said + self.RESPONSE,
                self.log_in(version, heard, bytes(16), OK),
            )

    def test_with_tls(self) -> None:
        for subtype, heard, said in (
            (260, b'', b''),
            (261, bytes(16), self.RESPONSE),
        ):
            self.assertEqual(
                V8 + b'\x13\x00\x02' + number(subtype) + b'<TLS>' + said,
                self.log_in(
                    V8, TO_TLS, b'\x01', number(subtype), b'\x01', heard, OK
                ),
            )

    def test_the_first_that_is_accepted(self) -> None:
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

    def test_refused(self) -> None:
        for message, heard in (
            ('No!', (V8, b'\x01\x02', bytes(16), NO, number(3), b'No!')),
            ('refused', (V7, b'\x01\x02', bytes(16), NO)),
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
                    NO,
                    number(3),
                    b'No!',
                ),
            ),
        ):
            error = self.assertRaises(rfb.RFBError, self.log_in, *heard)
            self.assertEqual(message, str(error))

    def test_not_less_than_is_accepted(self) -> None:
        """Who wants TLS is not talked into going without."""
        self.assertRaises(
            rfb.RFBError,
            self.log_in,
            V8,
            b'\x01\x01',
            OK,
            accepted=(rfb.VENCRYPT,),
        )

    @given(st.binary(max_size=80))
    def test_anything_may_be_heard(self, heard: bytes) -> None:
        for start in (b'', V8, V8 + TO_TLS):
            with contextlib.suppress(rfb.RFBError, HungUp):
                self.log_in(start, heard)


class ServerTest(testtools.TestCase):
    """Towards a browser, or another client."""

    def test_versions(self) -> None:
        for version, minor, said in (
            (V8, 8, b'\x01\x02'),
            (V7, 7, b'\x01\x02'),
            (V3, 3, number(2)),
            (b'RFB 003.005\n', 3, number(2)),
            (b'RFB 003.889\n', 8, b'\x01\x02'),
        ):
            heard = version if minor == 3 else version + b'\x02'
            self.assertEqual(
                (minor, V8 + said), talk(rfb.offer(rfb.VNC), heard)
            )

    def test_another_protocol(self) -> None:
        for heard in (b'GET / HTTP/1', b'RFB 004.001\n', V8 + b'\x05'):
            self.assertRaises(rfb.RFBError, talk, rfb.offer(rfb.NONE), heard)

    def test_refused_at_once(self) -> None:
        for version, zero in ((V8, b'\0'), (V7, b'\0'), (V3, bytes(4))):
            self.assertEqual(
                (None, V8 + zero + number(3) + b'No!'),
                talk(rfb.refuse('No!'), version),
            )

    def test_a_challenge(self) -> None:
        self.assertEqual(
            (b'r' * 16, b'c' * 16), talk(rfb.ask(b'c' * 16), b'r' * 16)
        )

    def test_results(self) -> None:
        for minor, security_type, said in (
            (8, rfb.NONE, OK),
            (7, rfb.NONE, b''),
            (3, rfb.NONE, b''),
            (8, rfb.VNC, OK),
            (3, rfb.VNC, OK),
        ):
            self.assertEqual(
                (None, said), talk(rfb.welcome(minor, security_type))
            )
        self.assertEqual(
            (None, NO + number(3) + b'No!'), talk(rfb.reject(8, 'No!'))
        )
        self.assertEqual((None, NO), talk(rfb.reject(3, 'No!')))


class ReceiveTest(testtools.TestCase):
    """How a native client wants to get in."""

    CHALLENGE = bytes(range(16))
    RESPONSE = b'r' * 16

    def receive(
        self,
        *heard: bytes,
        types: tuple[int, ...] = (rfb.VENCRYPT, rfb.VNC),
        subtype: int = rfb.X509_VNC,
    ) -> tuple[rfb.Login, bytes]:
        login, said = talk(rfb.receive(self.CHALLENGE, types, subtype), *heard)
        return login, said

    def test_by_a_challenge(self) -> None:
        for version, minor in ((V8, 8), (V7, 7)):
            self.assertEqual(
                (
                    rfb.Login(minor, None, self.RESPONSE),
                    V8 + b'\x02\x13\x02' + self.CHALLENGE,
                ),
                self.receive(version, b'\x02', self.RESPONSE),
            )

    def test_by_the_oldest_version(self) -> None:
        self.assertEqual(
            (
                rfb.Login(3, None, self.RESPONSE),
                V8 + number(2) + self.CHALLENGE,
            ),
            self.receive(V3, self.RESPONSE),
        )
        for types in ((rfb.VENCRYPT,), (rfb.XVP,)):
            self.assertRaises(rfb.RFBError, self.receive, V3, types=types)

    def test_inside_tls(self) -> None:
        login, said = self.receive(
            V8, b'\x13', b'\x00\x02', number(261), self.RESPONSE
        )
        self.assertEqual(rfb.Login(8, None, self.RESPONSE), login)
        self.assertEqual(
            V8
            + b'\x02\x13\x02'
            + b'\x00\x02'
            + b'\x00\x01'
            + number(261)
            + b'\x01<TLS>'
            + self.CHALLENGE,
            said,
        )

    def test_by_user_name_and_password(self) -> None:
        login, said = self.receive(
            *(V8, b'\x13', b'\x00\x02', number(262)),
            *(number(5), number(6), b'web-1', b'sesame'),
            subtype=rfb.X509_PLAIN,
        )
        self.assertEqual(
            rfb.Login(8, 'web-1', rfb.response(self.CHALLENGE, 'sesame')),
            login,
        )
        self.assertThat(said, testtools.matchers.EndsWith(b'\x01<TLS>'))

    def test_by_target(self) -> None:
        for user, target, name in (
            (b'joe', b'web-1', 'web-1'),
            (b'web-1', b'', 'web-1'),
            (b'', b'\xff', '\ufffd'),
        ):
            login, said = self.receive(
                *(V8, b'\x16', bytes([len(user), len(target)])),
                *(user, target, self.RESPONSE),
                types=(rfb.VENCRYPT, rfb.XVP),
            )
            self.assertEqual(rfb.Login(8, name, self.RESPONSE), login)
            self.assertEqual(V8 + b'\x02\x13\x16' + self.CHALLENGE, said)

    def test_what_was_not_offered(self) -> None:
        for heard in (
            (V8, b'\x01'),
            (V8, b'\x16'),
            (V8, b'\x13', b'\x00\x01'),
            (V8, b'\x13', b'\x00\x02', number(260)),
            (V8, b'\x13', b'\x00\x02', number(262)),
        ):
            self.assertRaises(rfb.RFBError, self.receive, *heard)
        self.assertRaises(
            rfb.RFBError, self.receive, V8, b'\x02', types=(rfb.VENCRYPT,)
        )

    def test_too_long_a_password(self) -> None:
        for lengths in ((1, 256), (2**32 - 1, 1)):
            self.assertRaises(
                rfb.RFBError,
                self.receive,
                *(V8, b'\x13', b'\x00\x02', number(262)),
                *map(number, lengths),
                subtype=rfb.X509_PLAIN,
            )

    @given(st.binary(max_size=80))
    def test_anything_may_be_heard(self, heard: bytes) -> None:
        for version in (b'', V8, V8 + b'\x13\x00\x02' + number(262)):
            with contextlib.suppress(rfb.RFBError, HungUp):
                self.receive(version, heard, subtype=rfb.X509_PLAIN)


class ResponseTest(testtools.TestCase):
    def test_a_known_answer(self) -> None:
        # DES of zeros with a key of zeros, and with one of ones: both stay
        # the same with their bits reversed.
        self.assertEqual(
            '8ca64de9c1b123a7' * 2, rfb.response(bytes(16), '').hex()
        )
        self.assertEqual(
            'caaaaf4deaf1dbae' * 2,
            rfb.response(bytes(16), '\xff' * 8).hex(),
        )

    def test_eight_characters_count(self) -> None:
        challenge = bytes(range(16))
        self.assertEqual(
            rfb.response(challenge, 'password'),
            rfb.response(challenge, 'password-and-more'),
        )
        self.assertNotEqual(
            rfb.response(challenge, 'password'),
            rfb.response(challenge, 'passworD'),
        )
