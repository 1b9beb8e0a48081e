# SPDX-License-Identifier: Apache-2.0

"""Which messages of RFB clients pass, and when keys are released."""

import testtools

from console_svc.protocols import rfb
from console_svc.protocols.input_filter import ProtocolError
from console_svc.tests.programs import rfb_messages as messages

PICTURES = (
    messages.PIXEL_FORMAT,
    messages.encodings(7, 16, 0, -258, -309),
    messages.encodings(),
    messages.UPDATE_REQUEST,
    messages.CONTINUOUS,
    messages.fence(b''),
    messages.fence(b'\x04' * 64),
)

INPUT = (
    messages.key(0x41, True),
    messages.key(0x41, False),
    messages.qemu_key(0x41, 0x1E, True),
    messages.pointer(1),
    messages.XVP,
    messages.gii(b'\x04' * 24),
    messages.gii(b'\x04' * 300, '<'),
)

#: They are not input, and ask for no pictures.
OTHERS = (
    messages.cut_text(b''),
    messages.cut_text(b'\x04' * 99),
    messages.extended_clipboard(1 << 24 | 1, bytes(4)),
    messages.desktop_size(0),
    messages.desktop_size(3),
    messages.AUDIO_START,
    messages.AUDIO_FORMAT,
)


class ViewTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.filter = rfb.Filter(is_view=True)

    def test_requests_of_pictures_pass(self) -> None:
        for message in PICTURES:
            self.assertEqual(message, self.filter.feed(message))
        self.assertFalse(self.filter.input_seen)

    def test_input_is_dropped_and_seen(self) -> None:
        for message in INPUT:
            self.filter.input_seen = False
            self.assertEqual(b'', self.filter.feed(message))
            self.assertTrue(self.filter.input_seen)

    def test_other_messages_are_dropped(self) -> None:
        for message in OTHERS:
            self.assertEqual(b'', self.filter.feed(message))
        self.assertFalse(self.filter.input_seen)

    def test_messages_are_found_behind_one_another(self) -> None:
        stream = b''.join(
            picture + message
            for picture in PICTURES
            for message in (*INPUT, *OTHERS)
        )
        passed = b''.join(
            picture * len((*INPUT, *OTHERS)) for picture in PICTURES
        )
        self.assertEqual(passed, self.filter.feed(stream))

    def test_bytes_that_come_singly_are_put_together(self) -> None:
        stream = b''.join((*INPUT, *PICTURES, *OTHERS))
        self.assertEqual(
            b''.join(PICTURES),
            b''.join(self.filter.feed(bytes([byte])) for byte in stream),
        )

    def test_bodies_that_are_dropped_take_no_memory(self) -> None:
        self.filter.feed(b'\x06\x00\x00\x00\x7f\xff\xff\xff')
        for _ in range(2**31 // 2**24):
            self.assertEqual(b'', self.filter.feed(bytes(2**24)))
        # A byte was left over: SetPixelFormat's type.
        self.assertEqual(
            messages.PIXEL_FORMAT, self.filter.feed(messages.PIXEL_FORMAT[1:])
        )

    def test_the_longest_cut_text_is_dropped(self) -> None:
        """Its length is negative, and has no positive counterpart."""
        self.filter.feed(b'\x06\x00\x00\x00\x80\x00\x00\x00')
        for _ in range(2**31 // 2**24):
            self.assertEqual(b'', self.filter.feed(bytes(2**24)))
        self.assertEqual(
            messages.CONTINUOUS, self.filter.feed(messages.CONTINUOUS)
        )


class UnknownTest(testtools.TestCase):
    def test_unknown_types_end_the_session(self) -> None:
        known = {0, 2, 3, 4, 5, 6, 150, 248, 250, 251, 253, 255}
        for kind in set(range(256)) - known:
            for is_view in (True, False):
                self.assertRaises(
                    ProtocolError, rfb.Filter(is_view).feed, bytes([kind])
                )

    def test_unknown_messages_of_qemu_end_the_session(self) -> None:
        for message in (b'\xff\x02\x00\x00', b'\xff\x01\x00\x03'):
            self.assertRaises(ProtocolError, rfb.Filter(True).feed, message)

    def test_too_many_encodings_end_the_session(self) -> None:
        message = messages.encodings(*range(1024))
        self.assertEqual(message, rfb.Filter(True).feed(message))
        message = messages.encodings(*range(1025))
        self.assertRaises(ProtocolError, rfb.Filter(True).feed, message)


class ControlTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.filter = rfb.Filter(is_view=False)

    def test_everything_passes(self) -> None:
        for message in (*PICTURES, *INPUT, *OTHERS):
            self.assertEqual(message, self.filter.feed(message))

    def test_a_piece_of_whole_messages_is_not_copied(self) -> None:
        data = b''.join((*PICTURES, *INPUT, *OTHERS))
        self.assertIs(data, self.filter.feed(data))

    def test_input_is_seen(self) -> None:
        for message in INPUT:
            self.filter.input_seen = False
            self.filter.feed(message)
            self.assertTrue(self.filter.input_seen)
        self.filter.input_seen = False
        for message in (*PICTURES, *OTHERS):
            self.filter.feed(message)
        self.assertFalse(self.filter.input_seen)

    def test_bodies_pass_as_they_come(self) -> None:
        message = messages.cut_text(b'x' * 100)
        self.assertEqual(b'', self.filter.feed(message[:7]))
        self.assertEqual(message[:8], self.filter.feed(message[7:8]))
        self.assertEqual(message[8:50], self.filter.feed(message[8:50]))
        self.assertEqual(
            message[50:] + messages.XVP,
            self.filter.feed(message[50:] + messages.XVP),
        )

    def test_servers_are_not_offered_extended_mouse_buttons(self) -> None:
        """With these, a PointerEvent can have a byte more."""
        self.assertEqual(
            messages.XVP + messages.encodings(7, -258) + messages.XVP,
            self.filter.feed(
                messages.XVP
                + messages.encodings(-316, 7, -316, -258)
                + messages.XVP
            ),
        )


class SwitchTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.filter = rfb.Filter(is_view=False)

    def withdraw(self) -> bytes:
        self.filter.is_view = True
        return self.filter.feed(b'')

    def test_keys_and_buttons_that_are_down_are_released(self) -> None:
        self.filter.feed(
            messages.key(0xFFE3, True)
            + messages.key(0x41, True)
            + messages.key(0x41, True)
            + messages.key(0x42, True)
            + messages.key(0x42, False)
            + messages.qemu_key(0xFFE9, 0x38, True)
            + messages.qemu_key(0x43, 0x2E, True)
            + messages.qemu_key(0x43, 0x2E, False)
            + messages.pointer(1, 10, 20)
            + messages.pointer(4, 30, 40)
        )
        self.assertEqual(
            messages.key(0xFFE3, False)
            + messages.key(0x41, False)
            + messages.qemu_key(0xFFE9, 0x38, False)
            + messages.pointer(0, 30, 40),
            self.withdraw(),
        )
        self.assertEqual(b'', self.filter.feed(b''))

    def test_a_button_alone_is_released(self) -> None:
        self.filter.feed(messages.pointer(2, 10, 20))
        self.assertEqual(messages.pointer(0, 10, 20), self.withdraw())

    def test_nothing_is_released_that_is_up(self) -> None:
        self.filter.feed(messages.key(0x41, True) + messages.key(0x41, False))
        self.filter.feed(messages.pointer(1) + messages.pointer(0))
        self.assertEqual(b'', self.withdraw())

    def test_nothing_is_released_twice(self) -> None:
        self.filter.feed(messages.key(0x41, True))
        self.withdraw()
        self.filter.is_view = False
        self.filter.feed(b'')
        self.assertEqual(b'', self.withdraw())

    def test_control_can_be_given_back(self) -> None:
        self.withdraw()
        self.assertEqual(b'', self.filter.feed(messages.key(0x41, True)))
        self.filter.is_view = False
        message = messages.key(0x42, True)
        self.assertEqual(message, self.filter.feed(message))

    def test_an_incomplete_key_event_is_dropped(self) -> None:
        self.assertEqual(b'', self.filter.feed(messages.key(0x41, True)[:7]))
        self.assertEqual(b'', self.withdraw())
        self.assertEqual(b'', self.filter.feed(messages.key(0x41, True)[7:]))

    def test_a_message_that_has_begun_to_pass_is_completed(self) -> None:
        text = messages.cut_text(b'abcdef')
        self.filter.feed(messages.key(0x41, True) + text[:10])
        self.assertEqual(b'', self.withdraw())
        self.assertEqual(
            text[10:] + messages.key(0x41, False) + messages.UPDATE_REQUEST,
            self.filter.feed(text[10:] + text + messages.UPDATE_REQUEST),
        )

    def test_a_message_that_has_begun_to_be_dropped_is_dropped(self) -> None:
        self.filter = rfb.Filter(is_view=True)
        text = messages.cut_text(b'abcdef')
        self.filter.feed(text[:10])
        self.filter.is_view = False
        self.assertEqual(
            messages.XVP, self.filter.feed(text[10:] + messages.XVP)
        )

    def test_the_first_of_too_many_keys_is_released(self) -> None:
        """No client can make the proxy forget a key that is down."""
        for keysym in range(256):
            message = messages.key(keysym, True)
            self.assertEqual(message, self.filter.feed(message))
        self.assertEqual(
            messages.XVP + messages.key(0, False) + messages.key(256, True),
            self.filter.feed(messages.XVP + messages.key(256, True)),
        )
        self.assertEqual(
            b''.join(messages.key(keysym, False) for keysym in range(1, 257)),
            self.withdraw(),
        )
