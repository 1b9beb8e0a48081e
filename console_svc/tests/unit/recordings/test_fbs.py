# SPDX-License-Identifier: Apache-2.0

import itertools
import struct

import testtools
from hypothesis import given
from hypothesis import strategies as st

from console_svc.recordings import cast, check, fbs, formats
from console_svc.recordings.check import Bytes
from console_svc.recordings.pieces import MAX_PAYLOAD, RecordingKey
from console_svc.tests.programs import rfb_messages as messages
from console_svc.tests.programs.fbs import blocks

KEY = RecordingKey(b'k' * 32, 'one')
DOCUMENT = {'server_id': 'web', 'started_at': 1700000000.5}

#: Of the server, and the one that the client sets.
SERVERS, CLIENTS = b's' * 16, b'c' * 16
HANDSHAKE = b'RFB 003.003\n\0\0\0\1'


def server_init(pixel_format: bytes, name: bytes = b'web') -> bytes:
    return (
        struct.pack('>HH', 640, 480)
        + pixel_format
        + struct.pack('>I', len(name))
        + name
    )


def played(data: bytes) -> list[tuple[int, bytes]]:
    """The blocks behind the handshake."""
    first, *rest = blocks(b''.join(fbs.parts(Bytes(data), KEY)))
    assert first == (0, HANDSHAKE), first
    return rest


class Recording:
    """A recording whose pieces have one event each."""

    def __init__(self) -> None:
        self.writer = fbs.Writer(KEY, DOCUMENT)
        self.data = self.writer.start()

    def add(self, what: str, time: int, data: bytes) -> 'Recording':
        getattr(self.writer, what)(time, data)
        self.data += self.writer.cut()
        return self

    def ended(self) -> bytes:
        return self.data + self.writer.end(10**7, 'The end.')


def begun() -> Recording:
    """A recording up to the first request of updates."""
    return (
        Recording()
        .add('output', 1000, server_init(SERVERS))
        .add('pixel_format', 2500, CLIENTS)
    )


class PartsTest(testtools.TestCase):
    def test_file_has_what_the_server_sent_and_when(self) -> None:
        data = (
            begun()
            .add('output', 3999, b'update')
            .add('output', 2_000_000, b'four')
            .ended()
        )
        self.assertTrue(check.check(Bytes(data), KEY).is_good)
        self.assertEqual(
            [
                (1, server_init(CLIENTS)),
                (3, b'update'),
                (2000, b'four'),
            ],
            played(data),
        )

    @given(st.integers(0, 30), st.integers(0, 30))
    def test_server_init_in_any_pieces_has_the_clients_format(
        self, first: int, second: int
    ) -> None:
        whole = server_init(SERVERS)
        recording = Recording()
        cuts = sorted({0, first, second, len(whole)})
        for start, end in itertools.pairwise(cuts):
            recording.add('output', 0, whole[start:end])
        recording.add('output', 0, b'bell').add('pixel_format', 0, CLIENTS)
        found = b''.join(it for _, it in played(recording.ended()))
        self.assertEqual(server_init(CLIENTS) + b'bell', found)

    def test_without_updates_it_has_the_servers_format(self) -> None:
        data = Recording().add('output', 0, server_init(SERVERS)).ended()
        self.assertEqual([(0, server_init(SERVERS))], played(data))

    def test_client_that_closes_at_once_is_recorded(self) -> None:
        self.assertEqual([], played(Recording().ended()))
        data = Recording().add('pixel_format', 0, CLIENTS).ended()
        self.assertEqual([], played(data))
        data = Recording().add('output', 0, b'abc')
        data = data.add('pixel_format', 0, CLIENTS).ended()
        self.assertEqual([(0, b'abc')], played(data))

    def test_server_that_sends_much_unasked_takes_no_memory(self) -> None:
        recording = Recording()
        for _ in range(20):
            recording.add('output', 0, b'x' * 65536)
        parts = fbs.parts(Bytes(recording.data), KEY)
        self.assertLess(max(map(len, parts)), 500_000)
        self.assertEqual(
            b'x' * 65536 * 20, b''.join(it for _, it in played(recording.data))
        )

    def test_input_is_not_in_the_file(self) -> None:
        key = messages.key(0x70, True)
        recording = begun().add('input', 3000, key[:5])
        recording.add('input', 3500, key[5:]).add('output', 4000, b'echo!')
        source = Bytes(recording.ended())
        self.assertEqual(
            [(1, server_init(CLIENTS)), (4, b'echo!')], played(recording.data)
        )
        self.assertEqual(
            [(3000, key[:5]), (3500, key[5:])],
            [*fbs.client_bytes(source, KEY)],
        )
        self.assertEqual(
            [(3500, {'type': 'key', 'keysym': 0x70, 'is_down': True})],
            [*fbs.inputs(source, KEY)],
        )

    def test_unfinished_recording_ends(self) -> None:
        data = begun().add('output', 3000, b'update').data
        self.assertEqual((3, b'update'), played(data)[-1])
        self.assertEqual((1, server_init(CLIENTS)), played(data[:-1])[-1])

    def test_it_ends_where_a_piece_is_damaged_or_missing(self) -> None:
        """What follows could not be decoded."""
        recording = begun().add('output', 3000, b'one')
        start = len(recording.data)
        recording.add('output', 4000, b'two')
        end = len(recording.data)
        data = recording.add('output', 5000, b'three').ended()
        changed = bytearray(data)
        changed[start + 50] ^= 1
        copied = data[:end] + data[start:]
        for damaged, last in (
            (bytes(changed), b'one'),
            (data[:start] + data[end:], b'one'),
            (copied, b'two'),
        ):
            self.assertFalse(check.check(Bytes(damaged), KEY).is_good)
            self.assertEqual(last, played(damaged)[-1][1])

    def test_large_outputs_are_whole(self) -> None:
        update = bytes(range(256)) * 12_000
        data = begun().add('output', 3000, update).ended()
        pieces = [it.piece for it in check.pieces(Bytes(data), KEY)]
        self.assertTrue(all(len(it.payload) <= MAX_PAYLOAD for it in pieces))
        self.assertGreater(len(pieces), 6)
        found = played(data)[1:]
        self.assertEqual(update, b''.join(it for _, it in found))

    def test_times_do_not_overflow(self) -> None:
        data = begun().add('output', 2**42 * 1000, b'late').ended()
        self.assertEqual((2**32 - 1, b'late'), played(data)[-1])

    def test_pieces_have_the_times_of_their_events(self) -> None:
        writer = fbs.Writer(KEY, DOCUMENT)
        writer.start()
        self.assertEqual(b'', writer.cut())
        for time in 5, 7, 11:
            writer.output(time, b'x')
        header = KEY.open(writer.cut()).header
        self.assertEqual((5, 11), (header.first, header.last))
        self.assertEqual(0, writer.size)


class FormatsTest(testtools.TestCase):
    def test_format_is_that_of_the_head(self) -> None:
        for name, writer in (
            ('fbs-1', fbs.Writer(KEY, DOCUMENT)),
            ('asciicast-2', cast.Writer(KEY, DOCUMENT)),
        ):
            source = Bytes(writer.start())
            found = formats.of(source, KEY)
            self.assertEqual(name, found.name)
            self.assertIsInstance(writer, found.writer)
            self.assertEqual(
                [*found.parts(source, KEY)], [*formats.parts(source, KEY)]
            )
        self.assertEqual(
            {'novnc': 'fbs', 'vnc': 'fbs', 'serial': 'cast'},
            {kind: it.extension for kind, it in formats.OF_TYPES.items()},
        )

    def test_unknown_format_and_missing_head_are_errors(self) -> None:
        other = cast.Writer(KEY, {**DOCUMENT, 'format': 'x-1'}).start()
        for data in (other, other[:-1], b''):
            for read in formats.of, formats.parts:
                self.assertRaises(ValueError, read, Bytes(data), KEY)

    def test_readers_of_one_format_refuse_the_other(self) -> None:
        for writer, read in (
            (cast.Writer, fbs.parts),
            (cast.Writer, fbs.inputs),
            (fbs.Writer, cast.lines),
        ):
            source = Bytes(writer(KEY, DOCUMENT).start())
            self.assertRaises(
                ValueError, lambda r=read, s=source: [*r(s, KEY)]
            )
