# SPDX-License-Identifier: Apache-2.0

"""Random messages of SPICE clients: no input reaches a server."""

import contextlib
import random

import testtools

from console_svc.protocols import spice
from console_svc.protocols.input_filter import ProtocolError
from console_svc.protocols.spice import Channel
from console_svc.tests.unit.protocols.fuzz import fragments, mutated
from console_svc.tests.unit.protocols.spice import messages

#: What a stub that records input may receive.
HARMLESS = {
    Channel.MAIN: {1, 2, 3, 4, 6, 101, 102, 103, 104, 109, 110, 111},
    Channel.INPUTS: {1, 2, 3, 4, 6},
}


class Server:
    """A stub that records input. Its parser is one of its own."""

    def __init__(self, channel: Channel, is_mini: bool) -> None:
        self.harmless = HARMLESS[channel]
        self.type_at, self.size = (0, 6) if is_mini else (8, 18)
        self.data = bytearray()
        self.skipped = 0
        self.received = 0
        self.others: list[int] = []

    def receive(self, data: bytes) -> None:
        for_body = min(self.skipped, len(data))
        self.skipped -= for_body
        self.data += data[for_body:]
        while len(self.data) >= self.size:
            at = self.type_at
            kind = self.data[at] | self.data[at + 1] << 8
            body = int.from_bytes(self.data[at + 2 : at + 6], 'little')
            if kind not in self.harmless:
                self.others.append(kind)
            self.received += 1
            self.skipped = max(0, body - (len(self.data) - self.size))
            del self.data[: self.size + body]


def stream(rng: random.Random, number: int, is_mini: bool) -> bytes:
    encode = messages.mini if is_mini else messages.full
    return encode(
        *(
            (
                rng.choice((*range(1, 7), *range(101, 116))),
                rng.randbytes(rng.choice((0, 2, 4, 11, 40))),
            )
            for _ in range(number)
        )
    )


class FuzzTest(testtools.TestCase):
    def test_no_input_passes_in_view_mode(self) -> None:
        rng = random.Random(20)
        for channel in HARMLESS:
            for count in range(200):
                is_mini = bool(count & 1)
                server = Server(channel, is_mini)
                filter_ = spice.channel_filter(channel, is_mini, is_view=True)
                for piece in fragments(rng, stream(rng, 500, is_mini)):
                    server.receive(filter_.feed(piece))
                self.assertEqual([], server.others)
                self.assertEqual((0, b''), (server.skipped, server.data))
                self.assertGreater(server.received, 50)

    def test_no_input_of_invalid_streams_passes(self) -> None:
        rng = random.Random(21)
        for channel in HARMLESS:
            for count in range(1000):
                is_mini = bool(count & 1)
                server = Server(channel, is_mini)
                filter_ = spice.channel_filter(channel, is_mini, is_view=True)
                data = mutated(rng, stream(rng, 30, is_mini))
                with contextlib.suppress(ProtocolError):
                    for piece in fragments(rng, data):
                        server.receive(filter_.feed(piece))
                self.assertEqual([], server.others)

    def test_everything_passes_unchanged_in_control_mode(self) -> None:
        rng = random.Random(22)
        for channel in HARMLESS:
            for count in range(40):
                is_mini = bool(count & 1)
                filter_ = spice.channel_filter(channel, is_mini, is_view=False)
                data = stream(rng, 500, is_mini)
                passed = [filter_.feed(it) for it in fragments(rng, data)]
                is_same = data == b''.join(passed)
                self.assertTrue(is_same)

    def test_input_ends_with_control(self) -> None:
        """What precedes are releases, of keys and of buttons."""
        rng = random.Random(23)
        for _ in range(500):
            filter_ = spice.channel_filter(Channel.INPUTS, True, is_view=False)
            filter_.feed(stream(rng, 20, True))
            filter_.is_view = True
            filter_.feed(b'')
            server = Server(Channel.INPUTS, True)
            for piece in fragments(rng, stream(rng, 50, True)):
                server.receive(filter_.feed(piece))
            self.assertEqual([], server.others)
