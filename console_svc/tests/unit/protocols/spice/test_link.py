# SPDX-License-Identifier: Apache-2.0

"""SPICE's link, without I/O."""

import contextlib
import struct
from collections.abc import Iterable
from typing import Any

import testtools
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from console_svc.protocols import spice
from console_svc.protocols.spice import Channel, Code
from console_svc.protocols.steps import Read, Write
from console_svc.tests.unit.fuzz import SETTINGS

KEY = spice.Key()
EVERY = frozenset(Channel)
PASSWORD = 'a' * 43

# As spicy-screenshot 0.42 and QEMU 7.2 send them for a main channel.
CLIENT = bytes.fromhex(
    '52454451 02000000 02000000 1a000000'
    '00000000 01 00 01000000 01000000 12000000 0d000000 0f000000'
)
SERVER = (
    bytes.fromhex('52454451 02000000 02000000 ba000000 00000000')
    + KEY.public
    + bytes.fromhex('01000000 01000000 b2000000 0b000000 0f000000')
)


class NoMoreData(Exception):
    """The handshake reads more than the peer sends."""


def talk(
    handshake: spice.Handshake[Any], sent: bytes, received: list[bytes]
) -> Any:
    """Carry out a handshake with a peer that sends some data.

    :param received: what the peer has received is added to it
    """
    outcome: Any = None
    most = len(sent) + 8192
    while True:
        try:
            step = handshake.send(outcome)
        except StopIteration as end:
            return end.value
        outcome = None
        match step:
            case Read(number):
                assert number <= most, number
                if number > len(sent):
                    raise NoMoreData
                outcome, sent = sent[:number], sent[number:]
            case Write(data):
                received.append(data)


def ticket(password: str = PASSWORD) -> bytes:
    """What a client sends after the reply."""
    return struct.pack('<I', 1) + spice.encrypt(password, KEY.public)


class ReceiveTest(testtools.TestCase):
    """The server's side."""

    def receive(
        self, *sent: bytes, channels: Iterable[Channel] = EVERY
    ) -> tuple[spice.LogIn, bytes]:
        received: list[bytes] = []
        login = talk(
            spice.receive(KEY, frozenset(channels)), b''.join(sent), received
        )
        return login, b''.join(received)

    def error(self, *sent: bytes, **more: Any) -> tuple[int, bytes]:
        """The code of the error, and what the client gets."""
        received: list[bytes] = []
        error = self.assertRaises(
            spice.SpiceError,
            talk,
            spice.receive(KEY, more.get('channels', EVERY)),
            b''.join(sent),
            received,
        )
        return error.code, b''.join(received)

    def test_login_of_a_real_client(self) -> None:
        login, received = self.receive(CLIENT, ticket())
        self.assertEqual(SERVER, received)
        self.assertEqual(PASSWORD, login.password)
        self.assertEqual(CLIENT, login.link.data)
        self.assertTrue(login.link.is_main)
        self.assertNotIn(PASSWORD, repr(login))

    def test_each_channel_has_its_capabilities(self) -> None:
        for channel in Channel:
            number = 0 if channel == Channel.MAIN else 7
            login, received = self.receive(
                spice.link(channel, number), ticket()
            )
            self.assertEqual(channel, login.link.channel)
            self.assertEqual(number, login.link.connection_id)
            common, of_channel, offset = struct.unpack_from(
                '<III', received, 16 + 166
            )
            words = struct.unpack_from(
                f'<{common + of_channel}I', received, 16 + offset
            )
            expected = [0xB]
            if channel in spice.CHANNELS:
                expected.append(spice.CHANNELS[channel])
            self.assertEqual(expected, [*words])

    def test_closed_channels_get_an_error(self) -> None:
        code, received = self.error(
            spice.link(Channel.USBREDIR, 1), channels={Channel.MAIN}
        )
        self.assertEqual(Code.CHANNEL_NOT_AVAILABLE, code)
        self.assertEqual(spice.refusal(code), received)
        self.assertEqual(16 + 178, len(received))

    def test_tickets_that_cannot_be_decrypted_have_no_password(self) -> None:
        other = spice.encrypt(PASSWORD, spice.Key().public)
        for bad in (
            bytes(128),
            b'\xff' * 128,
            other,
            spice.encrypt('', KEY.public)[::-1],
        ):
            login, _ = self.receive(CLIENT, struct.pack('<I', 1), bad)
            self.assertIsNone(login.password)

    def test_text_after_the_first_zero_is_ignored(self) -> None:
        login, _ = self.receive(CLIENT, ticket('secret\0more'))
        self.assertEqual('secret', login.password)
        login, _ = self.receive(CLIENT, ticket(''))
        self.assertEqual('', login.password)

    @SETTINGS
    @given(st.data())
    def test_anything_is_a_login_or_an_error(self, data: Any) -> None:
        good = bytearray(CLIENT + ticket())
        for at in data.draw(
            st.lists(st.integers(0, len(good) - 1), max_size=6)
        ):
            good[at] = data.draw(st.integers(0, 255))
        sent = bytes(good[: data.draw(st.integers(0, len(good)))])
        sent += data.draw(st.binary(max_size=60))
        received: list[bytes] = []
        try:
            login = talk(spice.receive(KEY, EVERY), sent, received)
        except NoMoreData:
            self.assertLessEqual(len(received), 1)
        except spice.SpiceError as error:
            self.assertIn(error.code, [*Code])
            self.assertEqual(
                error.code,
                struct.unpack('<I', received[-1][-4:])[0]
                if len(received[-1]) == 4
                else struct.unpack_from('<I', received[-1], 16)[0],
            )
        else:
            self.assertIn(login.password, (None, PASSWORD))
            self.assertEqual(sent[: len(login.link.data)], login.link.data)


class LogInTest(testtools.TestCase):
    """The client's side."""

    def setUp(self) -> None:
        super().setUp()
        self.link = talk(spice.read_link(), CLIENT, [])

    def log_in(self, *sent: bytes, link: Any = None) -> bytes:
        """What the server gets."""
        received: list[bytes] = []
        talk(
            spice.log_in(link or self.link, PASSWORD),
            b''.join(sent),
            received,
        )
        return b''.join(received)

    def refused(self, *sent: bytes) -> tuple[int, str]:
        error = self.assertRaises(spice.SpiceError, self.log_in, *sent)
        return error.code, str(error)

    def test_link_message_is_sent_unchanged(self) -> None:
        received = self.log_in(SERVER, bytes(4))
        self.assertEqual(CLIENT + b'\1\0\0\0', received[: len(CLIENT) + 4])
        self.assertEqual(PASSWORD, KEY.decrypt(received[len(CLIENT) + 4 :]))

    def test_client_without_selection_of_the_mechanism(self) -> None:
        data = spice.link(Channel.MAIN, common=(0x8,))
        link = talk(spice.read_link(), data, [])
        received = self.log_in(SERVER, bytes(4), link=link)
        self.assertEqual(PASSWORD, KEY.decrypt(received[len(data) :]))

    def test_errors_and_results_have_their_codes(self) -> None:
        for code, name in (
            (7, 'permission denied'),
            (8, 'bad connection id'),
            (99, 'unknown'),
        ):
            expected = code, f'it refuses with the error {code} ({name})'
            result = struct.pack('<I', code)
            self.assertEqual(expected, self.refused(SERVER, result))
            self.assertEqual(expected, self.refused(spice.refusal(code)))
            # A refusal may end after the error.
            short = SERVER[:12] + struct.pack('<I', 4) + result
            self.assertEqual(expected, self.refused(short))

    def test_missing_capabilities_are_an_error(self) -> None:
        for common, channel, text in (
            (0x3, 0xF, 'it lacks common capabilities of spice-server 0.14'),
            (0xB, 0x7, 'it lacks main capabilities of spice-server 0.14: 0x8'),
        ):
            reply = SERVER[:-8] + struct.pack('<II', common, channel)
            code, message = self.refused(reply, bytes(4))
            self.assertEqual(Code.ERROR, code)
            self.assertIn(text, message)
        # More than was announced is good.
        self.log_in(SERVER[:-8] + b'\xff' * 8, bytes(4))

    def test_keys_that_are_not_of_rsa_1024_are_an_error(self) -> None:
        for key in (
            rsa.generate_private_key(65537, 2048).public_key(),
            ec.generate_private_key(ec.SECP384R1()).public_key(),
        ):
            data = key.public_bytes(
                serialization.Encoding.DER,
                serialization.PublicFormat.SubjectPublicKeyInfo,
            )
            data = data[:162].ljust(162, b'\0')
            self.assertEqual(
                (Code.INVALID_DATA, 'its public key is malformed'),
                self.refused(SERVER[:20] + data + SERVER[182:]),
            )

    @SETTINGS
    @given(st.data())
    def test_any_reply_is_success_or_an_error(self, data: Any) -> None:
        good = bytearray(SERVER + bytes(4))
        for at in data.draw(
            st.lists(st.integers(0, len(good) - 1), max_size=6)
        ):
            good[at] = data.draw(st.integers(0, 255))
        sent = bytes(good[: data.draw(st.integers(0, len(good)))])
        received: list[bytes] = []
        with contextlib.suppress(NoMoreData, spice.SpiceError):
            talk(spice.log_in(self.link, PASSWORD), sent, received)
        self.assertEqual(CLIENT, received[0])
        self.assertLessEqual(sum(map(len, received)), len(CLIENT) + 132)
