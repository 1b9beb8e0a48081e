# SPDX-License-Identifier: Apache-2.0

import os
import pty

import testtools

from console_svc.osc import player

FILE = b"""\
{"version": 2, "width": 80, "height": 24}
[0.5, "o", "one\\r\\n"]
[1.0, "i", "secret"]
[2.5, "o", "\\u00e9"]
nonsense
[9.5, "o", "end"]
"""
EVENTS = [(0.5, b'one\r\n'), (2.5, b'\xc3\xa9'), (9.5, b'end')]


class EventsTest(testtools.TestCase):
    def test_output_is_found(self) -> None:
        self.assertEqual(EVENTS, [*player.events([FILE])])

    def test_lines_can_be_in_several_parts(self) -> None:
        for size in range(1, len(FILE)):
            parts = [FILE[at : at + size] for at in range(0, len(FILE), size)]
            self.assertEqual(EVENTS, [*player.events(parts)], size)

    def test_last_line_may_have_no_end(self) -> None:
        self.assertEqual([(1.0, b'x')], [*player.events([b'[1, "o", "x"]'])])


class PlayTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.master, self.slave = pty.openpty()
        self.addCleanup(os.close, self.master)
        self.addCleanup(os.close, self.slave)
        self.waited: list[float] = []

    def play(self, events: list = EVENTS, stop: int = 99, **more) -> bytes:
        def wait(source: int, seconds: float) -> bool:
            self.assertEqual(self.slave, source)
            self.waited.append(seconds)
            return len(self.waited) > stop

        player.play(events, self.slave, self.slave, wait=wait, **more)
        shown = b''
        # It may come in parts.
        while not shown.endswith(b'\x1b[?25h\r\n'):
            shown += os.read(self.master, 4096)
        return shown

    def test_events_come_in_their_time(self) -> None:
        shown = self.play()
        self.assertTrue(shown.startswith(b'one\r\n\xc3\xa9end'), shown)
        self.assertEqual([0.5, 2, 7], self.waited)

    def test_speed(self) -> None:
        self.play(speed=2)
        self.assertEqual([0.25, 1, 3.5], self.waited)

    def test_pauses_can_be_shorter(self) -> None:
        self.play(max_idle=1)
        self.assertEqual([0.5, 1, 1], self.waited)

    def test_times_that_go_back_do_not_wait(self) -> None:
        self.play([(5.0, b'x'), (1.0, b'y')])
        self.assertEqual([5, 0], self.waited)

    def test_user_can_end_it(self) -> None:
        shown = self.play(stop=1)
        self.assertTrue(shown.startswith(b'one\r\n'), shown)
        self.assertNotIn(b'end', shown)

    def test_keys_that_end_it(self) -> None:
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.assertFalse(player.is_ended(reading, 0))
        for keys, ends in ((b'x', False), (b'yq', True), (b'\x03', True)):
            os.write(writing, keys)
            self.assertEqual(ends, player.is_ended(reading, 0), keys)
        os.close(writing)
        # The terminal is gone.
        self.assertTrue(player.is_ended(reading, 60))
