# SPDX-License-Identifier: Apache-2.0

"""The filter of serial consoles."""

import testtools

from console_svc.protocols import serial


class FilterTest(testtools.TestCase):
    def test_nothing_passes_in_view_mode(self) -> None:
        filter_ = serial.Filter(is_view=True)
        self.assertEqual(b'', filter_.feed(b'reboot\r'))
        self.assertTrue(filter_.input_seen)

    def test_everything_passes_in_control_mode(self) -> None:
        filter_ = serial.Filter(is_view=False)
        self.assertEqual(b'reboot\r', filter_.feed(b'reboot\r'))
        self.assertTrue(filter_.input_seen)

    def test_the_mode_can_change(self) -> None:
        filter_ = serial.Filter(is_view=True)
        filter_.feed(b'a')
        filter_.is_view = False
        self.assertEqual(b'b', filter_.feed(b'b'))
        filter_.is_view = True
        self.assertEqual(b'', filter_.feed(b'c'))

    def test_no_bytes_are_no_input(self) -> None:
        filter_ = serial.Filter(is_view=False)
        self.assertEqual(b'', filter_.feed(b''))
        self.assertFalse(filter_.input_seen)
