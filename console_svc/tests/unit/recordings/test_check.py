# SPDX-License-Identifier: Apache-2.0

import itertools
import random

import testtools
from cryptography.fernet import Fernet
from hypothesis import given, settings
from hypothesis import strategies as st

from console_svc.recordings import check
from console_svc.recordings.check import Bytes, Fault, State
from console_svc.recordings.pieces import (
    HEADER_SIZE,
    Invalid,
    Kind,
    Pieces,
    RecordingKey,
    parse_secrets,
)

SECRET = b'k' * 32
KEY = RecordingKey(SECRET, 'one')

# Events of different sizes; one that looks like the start of a piece.
EVENTS = [b'a', b'CSR1' * 20, bytes(range(256)) * 3, b'', b'the last']


def recording(key: RecordingKey = KEY) -> list[bytes]:
    """The pieces of a recording, with an event a second."""
    made = Pieces(key)
    return [
        made.head({'server_id': 'x'}),
        *(
            made.events(number * 10**6, number * 10**6 + 5, payload)
            for number, payload in enumerate(EVENTS, 1)
        ),
        made.end(9 * 10**6, 'The console has ended.'),
    ]


PIECES = recording()
WHOLE = b''.join(PIECES)
#: The offset of each piece, and the end.
OFFSETS = [0, *itertools.accumulate(map(len, PIECES))]


def of(data: bytes) -> check.Result:
    return check.check(Bytes(data), KEY)


def piece_at(position: int) -> int:
    """The number of the piece that has a byte."""
    return max(i for i, start in enumerate(OFFSETS) if start <= position)


class CheckTest(testtools.TestCase):
    def test_whole_recording_is_good(self) -> None:
        result = of(WHOLE)
        self.assertTrue(result.is_good)
        self.assertEqual(State.COMPLETE, result.state)
        self.assertEqual('The console has ended.', result.reason)
        self.assertEqual(len(PIECES), result.pieces)
        self.assertEqual(9 * 10**6, result.last)
        payloads = [it.piece.payload for it in check.pieces(Bytes(WHOLE), KEY)]
        self.assertEqual(EVENTS, payloads[1:-1])

    @settings(deadline=None)
    @given(st.integers(0, len(WHOLE) - 1))
    def test_any_cut_is_found_and_located(self, size: int) -> None:
        result = of(WHOLE[:size])
        self.assertFalse(result.is_good)
        self.assertEqual(State.UNFINISHED, result.state)
        number = piece_at(size)
        self.assertEqual(number, result.pieces)
        self.assertEqual(OFFSETS[number], result.whole)
        if size in OFFSETS:
            self.assertEqual([], result.damages)
        else:
            (damage,) = result.damages
            self.assertEqual(Fault.CUT, damage.fault)
            self.assertEqual(
                (OFFSETS[number], size, number),
                (damage.start, damage.end, damage.number),
            )

    @settings(deadline=None, max_examples=300)
    @given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
    def test_any_changed_byte_is_found_and_located(
        self, position: int, change: int
    ) -> None:
        data = bytearray(WHOLE)
        data[position] ^= change
        result = of(bytes(data))
        self.assertFalse(result.is_good)
        (damage,) = result.damages
        number = piece_at(position)
        self.assertEqual(number, damage.number)
        self.assertEqual(
            (OFFSETS[number], OFFSETS[number + 1]), (damage.start, damage.end)
        )
        # All other pieces can be read.
        self.assertEqual(len(PIECES) - 1, result.pieces)

    @settings(deadline=None)
    @given(st.integers(0, len(WHOLE)), st.binary(min_size=1))
    def test_any_inserted_bytes_are_found(
        self, position: int, extra: bytes
    ) -> None:
        result = of(WHOLE[:position] + extra + WHOLE[position:])
        self.assertFalse(result.is_good)
        (damage,) = result.damages
        self.assertLessEqual(damage.start, position)
        self.assertGreaterEqual(damage.end, position + len(extra))

    @given(st.permutations(range(len(PIECES))))
    def test_any_other_order_of_pieces_is_found(
        self, order: list[int]
    ) -> None:
        moved = b''.join(PIECES[number] for number in order)
        self.assertEqual(moved == WHOLE, of(moved).is_good)

    @given(st.sets(st.integers(0, len(PIECES) - 1), min_size=1))
    def test_any_missing_piece_is_found(self, missing: set[int]) -> None:
        left = [it for i, it in enumerate(PIECES) if i not in missing]
        result = of(b''.join(left))
        self.assertFalse(result.is_good)
        if missing != {*range(min(missing), len(PIECES))}:
            self.assertEqual(Fault.MISSING, result.damages[0].fault)
            self.assertEqual(min(missing), result.damages[0].number)

    @given(st.integers(0, len(PIECES) - 1))
    def test_repeated_piece_is_found(self, number: int) -> None:
        twice = [*PIECES]
        twice.insert(number, PIECES[number])
        (damage,) = of(b''.join(twice)).damages
        self.assertEqual(Fault.CHANGED, damage.fault)

    def test_pieces_of_another_recording_are_found(self) -> None:
        others = recording(RecordingKey(SECRET, 'two'))
        result = of(b''.join([*PIECES[:2], others[2], *PIECES[3:]]))
        (damage,) = result.damages
        self.assertEqual(2, damage.number)

    def test_pieces_of_another_version_of_the_recording_are_found(
        self,
    ) -> None:
        """Each piece is right, but they did not end together."""
        made = Pieces(KEY)
        made.head({'server_id': 'x'})
        other = made.events(10**6, 10**6 + 5, b'other')
        result = of(b''.join([PIECES[0], other, *PIECES[2:]]))
        (damage,) = result.damages
        self.assertEqual(Fault.OTHER, damage.fault)

    def test_nothing_may_follow_the_end(self) -> None:
        made = Pieces(KEY)
        data = made.head({}) + made.end(1, 'The end.')
        result = of(data + made.events(2, 3, b'more'))
        (damage,) = result.damages
        self.assertEqual(
            (Fault.CHANGED, len(data)), (damage.fault, damage.start)
        )

    def test_another_secret_finds_nothing(self) -> None:
        result = check.check(Bytes(WHOLE), RecordingKey(b'x' * 32, 'one'))
        self.assertEqual((0, 0), (result.pieces, result.whole))
        self.assertEqual(
            [(0, len(WHOLE))], [(it.start, it.end) for it in result.damages]
        )

    def test_piece_that_lies_across_windows_of_the_search_is_found(
        self,
    ) -> None:
        for size in range((1 << 16) - 8, (1 << 16) + 3):
            result = of(bytes(size) + WHOLE)
            (damage,) = result.damages
            self.assertEqual(size, damage.end)

    def test_payloads_are_compressed_if_that_is_worth_it(self) -> None:
        noise = random.Random(0).randbytes(1 << 17)
        for payload, least, most in (
            (b'', 0, 10),
            (b'text ' * 50_000, 0, 5000),
            (noise, len(noise), len(noise) + 100),
            # A part of it is decisive.
            (noise + bytes(1 << 17), 2 * len(noise), 2 * len(noise) + 100),
        ):
            piece = KEY.seal(Kind.EVENTS, 0, (0, 0), payload)
            self.assertEqual(payload, KEY.open(piece).payload)
            self.assertTrue(least <= KEY.open(piece).header.size <= most)

    def test_payloads_have_a_limit(self) -> None:
        bomb = KEY.seal(Kind.EVENTS, 0, (0, 0), bytes(2 << 20))
        self.assertRaises(Invalid, KEY.open, bomb)


class CompletionTest(testtools.TestCase):
    @settings(deadline=None)
    @given(st.integers(len(PIECES[0]), OFFSETS[-2]))
    def test_recording_that_ends_anywhere_is_completed(
        self, size: int
    ) -> None:
        whole, end = check.completion(Bytes(WHOLE[:size]), KEY)
        data = WHOLE[:whole] + end
        result = of(data)
        self.assertTrue(result.is_good)
        self.assertEqual(State.INTERRUPTED, result.state)
        # Each whole piece is kept.
        self.assertEqual(piece_at(size), result.pieces - 1)

    def test_complete_recording_stays_as_it_is(self) -> None:
        self.assertEqual(
            (len(WHOLE), b''), check.completion(Bytes(WHOLE), KEY)
        )

    @settings(deadline=None)
    @given(st.integers(0, OFFSETS[-3] - 1))
    def test_damaged_recording_is_not_completed(self, position: int) -> None:
        data = bytearray(WHOLE[: OFFSETS[-2]])
        data[position] ^= 1
        self.assertRaises(Invalid, check.completion, Bytes(bytes(data)), KEY)

    def test_recording_without_a_head_is_not_completed(self) -> None:
        for size in 0, 1, len(PIECES[0]) - 1:
            self.assertRaises(
                Invalid, check.completion, Bytes(WHOLE[:size]), KEY
            )


class SeekTest(testtools.TestCase):
    def test_first_piece_of_a_time_is_found(self) -> None:
        for time, number in (
            (0, 1),
            (10**6 + 5, 1),
            (10**6 + 6, 2),
            (5 * 10**6, 5),
            (6 * 10**6, 6),
        ):
            self.assertEqual(OFFSETS[number], check.seek(Bytes(WHOLE), time))

    def test_end_is_found_after_the_last_event(self) -> None:
        self.assertEqual(OFFSETS[-1], check.seek(Bytes(WHOLE), 10**9))

    def test_damaged_header_is_an_error(self) -> None:
        data = WHOLE.replace(b'CSR1', b'XSR1')
        self.assertRaises(Invalid, check.seek, Bytes(data), 1)
        cut = WHOLE[: HEADER_SIZE - 1]
        self.assertRaises(Invalid, check.seek, Bytes(cut), 1)


class SecretsTest(testtools.TestCase):
    def test_lines_are_keys(self) -> None:
        lines = b'\n'.join(Fernet.generate_key() for _ in range(2))
        first, second = parse_secrets(lines)
        self.assertNotEqual(first, second)

    def test_other_files_are_refused(self) -> None:
        for content in b'', b'\n', b'short', b'=', b'\xff', b'a' * 64:
            self.assertRaises(ValueError, parse_secrets, content)
