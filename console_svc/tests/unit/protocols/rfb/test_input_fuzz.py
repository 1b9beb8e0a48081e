# SPDX-License-Identifier: Apache-2.0

"""1,000,000 random messages of RFB clients: no input reaches a server.

The server is a stub that records input. Its parser shares no code with the
filter.
"""

import contextlib
import random
import struct
from collections.abc import Callable

import testtools

from console_svc.protocols import rfb
from console_svc.protocols.input_filter import ProtocolError
from console_svc.tests.programs import rfb_messages as messages
from console_svc.tests.unit.protocols.fuzz import fragments, mutated

MESSAGES = 1_000_000
IN_STREAM = 1000


class Server:
    """A recording stub: the client's side of a VNC server."""

    def __init__(self) -> None:
        self.buffer = b''
        self.pictures = 0
        self.others: list[bytes] = []

    def receive(self, data: bytes) -> None:
        data = self.buffer + data
        at = 0
        while len(data) - at >= 4:
            kind, _, number = struct.unpack_from('>BBH', data, at)
            if kind in (3, 150):
                length = 10
            elif kind == 0:
                length = 20
            elif kind == 2:
                length = 4 * (number + 1)
            elif kind == 248:
                if len(data) - at < 9:
                    break
                length = 9 + data[at + 8]
            else:
                self.others.append(data[at : at + 20])
                return
            if len(data) - at < length:
                break
            self.pictures += 1
            at += length
        self.buffer = data[at:]


def stream(rng: random.Random, number: int) -> bytes:
    """Valid messages, of any type and with any content."""
    made = bytearray()
    bits, random_bytes = rng.getrandbits, rng.randbytes
    for _ in range(number):
        kind = bits(4)
        if kind < 4:
            made += b'\x05' + random_bytes(5)
        elif kind < 7:
            made += b'\x04' + random_bytes(7)
        elif kind < 9:
            made += b'\x03' + random_bytes(9)
        elif kind == 9:
            made += b'\xff\x00' + random_bytes(10)
        else:
            made += rare(rng)
    return bytes(made)


def rare(rng: random.Random) -> bytes:
    return rng.choice(RARE)(rng, rng.randbytes(rng.choice((0, 1, 4, 9, 60))))


#: How to make a message with random bytes.
RARE: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    lambda rng, _: b'\x00' + rng.randbytes(19),
    # No -316, which does not pass.
    lambda rng, body: messages.encodings(*(byte - 256 for byte in body)),
    lambda _, body: messages.cut_text(body),
    lambda rng, body: messages.extended_clipboard(rng.getrandbits(32), body),
    lambda rng, _: b'\x96' + rng.randbytes(9),
    lambda _, body: messages.fence(body),
    lambda rng, _: b'\xfa' + rng.randbytes(3),
    lambda _, body: messages.desktop_size(len(body)),
    lambda rng, body: messages.gii(body, rng.choice('<>')),
    lambda rng, _: messages.AUDIO_FORMAT[:4] + rng.randbytes(6),
    lambda _, body: b'\xff\x01\x00' + bytes([len(body) & 1]),
)


class FuzzTest(testtools.TestCase):
    def test_no_input_passes_in_view_mode(self) -> None:
        rng = random.Random(20)
        pictures = 0
        for _ in range(MESSAGES // IN_STREAM):
            data = stream(rng, IN_STREAM)
            server, filter_ = Server(), rfb.Filter(is_view=True)
            for piece in fragments(rng, data):
                server.receive(filter_.feed(piece))
            self.assertEqual([], server.others)
            self.assertEqual(b'', server.buffer)
            pictures += server.pictures
        self.assertGreater(pictures, MESSAGES // 8)

    def test_no_input_of_invalid_streams_passes(self) -> None:
        rng = random.Random(21)
        refused = 0
        for _ in range(2000):
            server, filter_ = Server(), rfb.Filter(is_view=True)
            data = mutated(rng, stream(rng, 100))
            try:
                for piece in fragments(rng, data):
                    server.receive(filter_.feed(piece))
            except ProtocolError:
                refused += 1
            self.assertEqual([], server.others)
        self.assertGreater(refused, 100)

    def test_no_input_of_any_bytes_passes(self) -> None:
        rng = random.Random(22)
        kinds = b'\x00\x02\x03\x04\x05\x06\x96\xf8\xff'
        for _ in range(20000):
            server, filter_ = Server(), rfb.Filter(is_view=True)
            with contextlib.suppress(ProtocolError):
                for _ in range(20):
                    piece = rng.randbytes(rng.randint(0, 20))
                    piece = bytes([rng.choice(kinds)]) + piece
                    server.receive(filter_.feed(piece))
            self.assertEqual([], server.others)

    def test_everything_passes_unchanged_in_control_mode(self) -> None:
        rng = random.Random(23)
        for _ in range(500):
            # So few that not too many keys are down.
            data = stream(rng, 100)
            filter_ = rfb.Filter(is_view=False)
            passed = [filter_.feed(piece) for piece in fragments(rng, data)]
            # assertEqual() would show megabytes.
            is_same = data == b''.join(passed)
            self.assertTrue(is_same)

    def test_pieces_make_no_difference(self) -> None:
        rng = random.Random(24)
        for _ in range(50):
            data = stream(rng, IN_STREAM)
            whole = rfb.Filter(is_view=True).feed(data)
            filter_ = rfb.Filter(is_view=True)
            passed = [filter_.feed(piece) for piece in fragments(rng, data)]
            is_same = whole == b''.join(passed)
            self.assertTrue(is_same)

    def test_input_ends_with_control(self) -> None:
        """Whatever the mode was, and wherever the stream is cut."""
        rng = random.Random(25)
        for _ in range(500):
            filter_ = rfb.Filter(is_view=False)
            filter_.feed(stream(rng, 20))
            filter_.is_view = True
            filter_.feed(b'')
            server = Server()
            for piece in fragments(rng, stream(rng, 50)):
                server.receive(filter_.feed(piece))
            self.assertEqual([], server.others)
