# SPDX-License-Identifier: Apache-2.0

"""What the client of a recorded session may choose."""

import random
import struct

import testtools

from console_svc.protocols import rfb
from console_svc.protocols.input_filter import ProtocolError
from console_svc.tests.programs import rfb_messages as messages
from console_svc.tests.programs.rfb_messages import (
    NOVNC,
    TIGERVNC,
    set_format,
)
from console_svc.tests.unit.protocols.fuzz import fragments, mutated

#: Its depth has the fourth byte.
DEPTH_32 = bytes.fromhex('20200001 00ff00ff00ff 100800 000000')
#: Of 16 bits, of 8 bits with a colour map, and with channels that overlap.
OTHERS = (
    bytes.fromhex('10100001 001f003f001f 0b0500 000000'),
    bytes.fromhex('08080000 000000000000 000000 000000'),
    bytes.fromhex('20180001 00ff00ff00ff 000910 000000'),
    bytes.fromhex('20180001 00ff00ff00ff 000800 000000'),
    bytes.fromhex('20180000 00ff00ff00ff 000810 000000'),
    bytes.fromhex('20180001 03ff03ff03ff 000a14 000000'),
)

SERVER_INIT = struct.pack('>HH', 640, 480) + TIGERVNC + bytes(4)

# RRE, Hextile, zlib, ZRLE, JPEG, VMware's cursor.
SHIFTED = (2, 5, 6, 16, 21, 0x574D5664)
# Raw, CopyRect, and what is not pixels.
ALWAYS = (
    *(0, 1, -23, -32, -223, -224, -239, -247, -256, -258, -261),
    *(-307, -308, -309, -312, -313, -1063131698),
)
TIGHT = (7, -260)
# Unknown to the player: H.264, CoRRE, zlib-hex, cursors with alpha and of X,
# QEMU's audio, gii, fine quality levels, ExtendedMouseButtons.
NEVER = (50, 4, 8, -314, -240, -259, -305, -412, -316, 100, -(2**31))


class RecordedTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.chosen: list[bytes] = []
        self.recorded = rfb.Recorded(self.chosen.append)
        self.filter = rfb.Filter(is_view=False, recorded=self.recorded)

    def offered(self, *offered: int) -> tuple[int, ...]:
        """What the server gets of some encodings."""
        return encodings_of(self.filter.feed(messages.encodings(*offered)))

    def check_offered(self, *allowed: int) -> None:
        every = [*NEVER, *SHIFTED, *ALWAYS, *TIGHT]
        random.Random(0).shuffle(every)
        self.assertEqual(
            tuple(it for it in every if it in allowed), self.offered(*every)
        )

    def test_novncs_format_has_all_that_the_player_decodes(self) -> None:
        message = set_format(NOVNC)
        self.assertEqual(message, self.filter.feed(message))
        self.check_offered(*ALWAYS, *TIGHT, *SHIFTED)

    def test_other_shifts_have_encodings_that_do_not_depend_on_them(
        self,
    ) -> None:
        self.filter.feed(set_format(TIGERVNC))
        self.check_offered(*ALWAYS, *TIGHT)

    def test_other_depths_have_no_pixels_of_three_bytes(self) -> None:
        self.filter.feed(set_format(DEPTH_32))
        self.check_offered(*ALWAYS)

    def test_format_of_the_server_counts_without_another(self) -> None:
        for byte in SERVER_INIT:
            self.recorded.server_sent(bytes([byte]))
        self.recorded.server_sent(set_format(NOVNC))
        self.check_offered(*ALWAYS, *TIGHT)
        self.filter.feed(messages.UPDATE_REQUEST)
        self.assertEqual([TIGERVNC], self.chosen)

    def test_server_does_not_change_the_format_of_the_client(self) -> None:
        self.filter.feed(set_format(NOVNC))
        self.recorded.server_sent(SERVER_INIT)
        self.filter.feed(messages.UPDATE_REQUEST)
        self.assertEqual([NOVNC], self.chosen)

    def test_encodings_that_precede_the_format_are_sent_again(self) -> None:
        """They can be others with it."""
        offered = messages.encodings(16, 7, 0)
        self.assertEqual((0,), self.offered(16, 7, 0))
        self.recorded.server_sent(SERVER_INIT)
        self.assertEqual(
            set_format(DEPTH_32) + messages.encodings(0),
            self.filter.feed(set_format(DEPTH_32)),
        )
        self.assertEqual(
            set_format(NOVNC) + offered, self.filter.feed(set_format(NOVNC))
        )

    def test_last_format_before_the_first_update_is_chosen(self) -> None:
        for request in (messages.UPDATE_REQUEST, messages.CONTINUOUS):
            self.setUp_again()
            for it in TIGERVNC, NOVNC:
                self.filter.feed(set_format(it))
            self.assertEqual([], self.chosen)
            self.assertEqual(request, self.filter.feed(request))
            self.filter.feed(request)
            self.assertEqual([NOVNC], self.chosen)

    def setUp_again(self) -> None:
        self.chosen.clear()
        self.recorded = rfb.Recorded(self.chosen.append)
        self.filter = rfb.Filter(is_view=False, recorded=self.recorded)

    def test_format_cannot_change_between_updates(self) -> None:
        self.filter.feed(set_format(TIGERVNC) + messages.UPDATE_REQUEST)
        # The same one, whatever the padding and the flags are.
        same = set_format(TIGERVNC[:3] + b'\x09' + TIGERVNC[4:13] + b'xyz')
        self.assertEqual(same, self.filter.feed(same))
        error = self.assertRaises(
            rfb.NotRecordable, self.filter.feed, set_format(NOVNC)
        )
        self.assertIn('cannot change', str(error))

    def test_formats_that_the_player_cannot_show_are_refused(self) -> None:
        for other in OTHERS:
            self.assertRaises(
                rfb.NotRecordable, self.filter.feed, set_format(other)
            )

    def test_server_with_such_a_format_must_get_another(self) -> None:
        for other in OTHERS:
            self.setUp_again()
            self.recorded.server_sent(
                SERVER_INIT[:4] + other + SERVER_INIT[20:]
            )
            self.assertRaises(
                rfb.NotRecordable, self.filter.feed, messages.UPDATE_REQUEST
            )
            self.assertEqual([], self.chosen)

    def test_client_that_does_not_wait_for_the_format_is_refused(self) -> None:
        self.assertRaises(
            rfb.NotRecordable, self.filter.feed, messages.UPDATE_REQUEST
        )

    def test_big_endian_pixels_are_allowed(self) -> None:
        big = bytes.fromhex('20180101 00ff00ff00ff 000810 000000')
        self.filter.feed(set_format(big))
        self.check_offered(*ALWAYS, *TIGHT)

    def test_choices_count_in_view_mode(self) -> None:
        self.filter.is_view = True
        self.filter.feed(set_format(TIGERVNC))
        self.check_offered(*ALWAYS, *TIGHT)
        self.filter.feed(messages.key(0x41, True) + messages.UPDATE_REQUEST)
        self.assertEqual([TIGERVNC], self.chosen)
        self.assertRaises(
            rfb.NotRecordable, self.filter.feed, set_format(NOVNC)
        )

    def test_reason_fits_into_a_close_frame(self) -> None:
        for other in OTHERS[:1]:
            error = self.assertRaises(
                rfb.NotRecordable, self.filter.feed, set_format(other)
            )
            self.assertLess(len(str(error)), 124)


class FuzzTest(testtools.TestCase):
    """Streams in pieces of any size, against a parser of their own."""

    def setUp(self) -> None:
        super().setUp()
        self.chosen: list[bytes] = []

    def made(self) -> rfb.Filter:
        self.chosen.clear()
        recorded = rfb.Recorded(self.chosen.append)
        recorded.server_sent(SERVER_INIT)
        return rfb.Filter(is_view=False, recorded=recorded)

    def check_sent(self, data: bytes) -> tuple[int, int]:
        """Check what a server gets.

        :returns: the numbers of SetPixelFormat and of SetEncodings
        """
        formats = encodings = 0
        has_updates = False
        for message in split(data):
            if message[0] in (3, 150):
                has_updates = True
            elif message[0] == 0:
                formats += 1
                self.assertNotIn(message[4:], OTHERS)
                if has_updates:
                    self.assertEqual(
                        fields(self.chosen[0]), fields(message[4:])
                    )
            elif message[0] == 2:
                encodings += 1
                found = {*encodings_of(message)}
                self.assertEqual(set(), found & {*NEVER})
                if self.chosen and self.chosen[0] != NOVNC and has_updates:
                    self.assertEqual(set(), found & {*SHIFTED})
        return formats, encodings

    def test_servers_get_what_can_be_recorded(self) -> None:
        rng = random.Random(211)
        counts = [0, 0, 0]
        for _ in range(3000):
            filter_ = self.made()
            sent = b''
            try:
                for piece in fragments(rng, client(rng)):
                    sent += filter_.feed(piece)
            except rfb.NotRecordable:
                counts[2] += 1
            formats, encodings = self.check_sent(sent)
            counts[0] += formats
            counts[1] += encodings
        # Each case has been there.
        self.assertGreater(min(counts), 300)

    def test_damaged_streams_send_nothing_else(self) -> None:
        rng = random.Random(212)
        refused = 0
        for _ in range(3000):
            filter_ = self.made()
            sent = b''
            try:
                for piece in fragments(rng, mutated(rng, client(rng))):
                    sent += filter_.feed(piece)
            except ProtocolError:
                refused += 1
            self.check_sent(sent)
        self.assertGreater(refused, 300)

    def test_pieces_make_no_difference(self) -> None:
        rng = random.Random(213)
        for _ in range(300):
            data = set_format(NOVNC) + messages.UPDATE_REQUEST
            data += b''.join(
                random_encodings(rng) + messages.key(1, True)
                for _ in range(20)
            )
            whole = self.made().feed(data)
            filter_ = self.made()
            sent = b''.join(filter_.feed(it) for it in fragments(rng, data))
            self.assertEqual(whole, sent)


def client(rng: random.Random) -> bytes:
    """What a client sends: any choices, between other messages."""
    made = b''
    for _ in range(rng.randint(1, 12)):
        match rng.randrange(6):
            case 0:
                made += set_format(rng.choice((NOVNC, TIGERVNC, DEPTH_32)))
            case 1 if rng.random() < 0.2:
                made += set_format(rng.choice(OTHERS))
            case 1 | 2:
                made += random_encodings(rng)
            case 3 if rng.random() < 0.5:
                made += messages.UPDATE_REQUEST
            case 4:
                made += messages.cut_text(rng.randbytes(rng.randint(0, 99)))
            case _:
                made += messages.key(rng.randrange(9), rng.random() < 0.5)
    return made


def random_encodings(rng: random.Random) -> bytes:
    every = (*NEVER, *SHIFTED, *ALWAYS, *TIGHT)
    return messages.encodings(*rng.choices(every, k=rng.randint(0, 30)))


def fields(pixel_format: bytes) -> tuple[object, ...]:
    """Of two formats that mean the same, they are equal."""
    bits, depth, big, true, *rest = pixel_format[:13]
    return (bits, depth, big != 0, true != 0, *rest)


def encodings_of(message: bytes) -> tuple[int, ...]:
    number = int.from_bytes(message[2:4])
    assert len(message) == 4 + 4 * number, message
    return struct.unpack(f'>{number}i', message[4:])


def split(data: bytes) -> list[bytes]:
    """Whole messages; the filter shares no code with it."""
    found = []
    while len(data) >= 9:
        match data[0]:
            case 0:
                size = 20
            case 2:
                size = 4 + 4 * int.from_bytes(data[2:4])
            case 3 | 150:
                size = 10
            case 4:
                size = 8
            case 5:
                size = 6
            case 6:
                size = 8 + abs(int.from_bytes(data[4:8], signed=True))
            case 248:
                size = 9 + data[8]
            case _:
                break
        found.append(data[:size])
        data = data[size:]
    return found
