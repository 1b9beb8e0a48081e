# SPDX-License-Identifier: Apache-2.0

import json

import testtools
from hypothesis import given
from hypothesis import strategies as st

from console_svc.recordings import cast, check
from console_svc.recordings.check import Bytes
from console_svc.recordings.pieces import MAX_PAYLOAD, Kind, RecordingKey

KEY = RecordingKey(b'k' * 32, 'one')
DOCUMENT = {'server_id': 'web', 'started_at': 1700000000.5}


def recorded(*outputs: bytes, codes: str = '') -> bytes:
    """A recording with a piece for each output, one second apart."""
    writer = cast.Writer(KEY, DOCUMENT)
    data = writer.start()
    for second, output in enumerate(outputs):
        add = writer.input if codes[second:][:1] == 'i' else writer.output
        add(second * 10**6 + 1, output)
        data += writer.cut()
    return data + writer.end(len(outputs) * 10**6, 'The end.')


def lines(data: bytes) -> list[object]:
    text = b''.join(cast.lines(Bytes(data), KEY)).decode()
    return [json.loads(it) for it in text.splitlines()]


class CastTest(testtools.TestCase):
    def test_recording_is_an_asciicast(self) -> None:
        self.assertEqual(
            [
                {
                    'version': 2,
                    'width': 80,
                    'height': 24,
                    'timestamp': 1700000000,
                    'title': 'Server web',
                },
                [0.000001, 'o', 'login: '],
                [1.000001, 'i', 'root\r'],
                [2.000001, 'o', '\x1b[1m"\n'],
            ],
            lines(recorded(b'login: ', b'root\r', b'\x1b[1m"\n', codes='oio')),
        )

    @given(st.text(min_size=1), st.data())
    def test_text_that_is_split_anywhere_stays_whole(
        self, text: str, data: st.DataObject
    ) -> None:
        sent = text.encode()
        cut = data.draw(st.integers(0, len(sent)))
        events = lines(recorded(sent[:cut], sent[cut:]))[1:]
        self.assertEqual(text, ''.join(it[2] for it in events))

    def test_input_and_output_are_decoded_apart(self) -> None:
        events = lines(
            recorded('é'.encode()[:1], b'x', 'é'.encode()[1:], codes='oio')
        )[1:]
        self.assertEqual(
            [('i', 'x'), ('o', 'é')], [(b, c) for _, b, c in events]
        )

    def test_bytes_that_are_not_utf_8_are_replaced(self) -> None:
        events = lines(recorded(b'a\xff', b'b\xc3'))[1:]
        self.assertEqual('a\ufffdb\ufffd', ''.join(it[2] for it in events))

    def test_pieces_of_large_outputs_are_small_enough(self) -> None:
        # JSON has six bytes for each of these.
        data = recorded(b'\x1b' * 3_000_000)
        pieces = [it.piece for it in check.pieces(Bytes(data), KEY)]
        self.assertTrue(check.check(Bytes(data), KEY).is_good)
        self.assertGreater(len(pieces), 3)
        self.assertTrue(all(len(it.payload) <= MAX_PAYLOAD for it in pieces))
        events = lines(data)[1:]
        self.assertEqual(3_000_000, sum(len(it[2]) for it in events))

    def test_pieces_have_the_times_of_their_events(self) -> None:
        writer = cast.Writer(KEY, DOCUMENT)
        writer.start()
        self.assertEqual(b'', writer.cut())
        for time in 5, 7, 11:
            writer.output(time, b'x')
        header = KEY.open(writer.cut()).header
        self.assertEqual((5, 11), (header.first, header.last))
        self.assertEqual(0, writer.size)

    def test_damaged_pieces_are_left_out(self) -> None:
        data = bytearray(recorded(b'one', b'two', b'three'))
        second = [*check.pieces(Bytes(bytes(data)), KEY)][2]
        self.assertEqual(Kind.EVENTS, second.piece.header.kind)
        data[second.offset + 50] ^= 1
        events = lines(bytes(data))[1:]
        self.assertEqual(['one', 'three'], [it[2] for it in events])

    def test_recording_without_a_head_is_an_error(self) -> None:
        data = bytearray(recorded(b'one'))
        data[0] ^= 1
        self.assertRaises(ValueError, lines, bytes(data))
        self.assertRaises(ValueError, lines, b'')
