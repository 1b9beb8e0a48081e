# SPDX-License-Identifier: Apache-2.0

"""What passes on SPICE's channels, and when keys are released."""

import struct

import testtools

from console_svc.protocols import spice
from console_svc.protocols.input_filter import InputFilter, ProtocolError
from console_svc.protocols.spice import Channel
from console_svc.tests.unit.protocols.spice import messages
from console_svc.tests.unit.protocols.spice.messages import mini

COMMON = (
    messages.ACK_SYNC,
    messages.ACK,
    messages.PONG,
    messages.DISCONNECTING,
)
AGENT = (messages.AGENT_START, messages.AGENT_DATA, messages.AGENT_TOKEN)
INPUTS = (
    messages.key_down(0x1E),
    messages.key_up(0x9E),
    messages.scan_codes(0x1E, 0x9E),
    messages.motion(1, 1),
    messages.position(1, 1),
    messages.press(1, 1),
    messages.release(1, 0),
)


def made(channel: Channel, is_view: bool) -> InputFilter:
    return spice.channel_filter(channel, mini_header=True, is_view=is_view)


class MainTest(testtools.TestCase):
    def test_the_agent_gets_nothing_in_view_mode(self) -> None:
        wanted = (*COMMON, messages.CLIENT_INFO, messages.ATTACH_CHANNELS)
        dropped = (*AGENT, messages.MOUSE_MODE, messages.MIGRATE_DATA)
        for encode in (messages.mini, messages.full):
            for step in (1, 7, 9999):
                data = encode(*wanted, *dropped, (200, b'x'), *wanted)
                filter_ = spice.channel_filter(
                    Channel.MAIN, encode is mini, is_view=True
                )
                passed = b''.join(
                    filter_.feed(data[at : at + step])
                    for at in range(0, len(data), step)
                )
                self.assertEqual(encode(*wanted, *wanted), passed)
                self.assertFalse(filter_.input_seen)

    def test_everything_passes_in_control_mode(self) -> None:
        data = mini(*COMMON, *AGENT, messages.MOUSE_MODE, (200, b'x'))
        filter_ = made(Channel.MAIN, is_view=False)
        self.assertIs(data, filter_.feed(data))
        self.assertFalse(filter_.input_seen)

    def test_the_agent_is_lost_when_control_was_withdrawn(self) -> None:
        """It could wait for the rest of a message."""
        filter_ = made(Channel.MAIN, is_view=False)
        filter_.feed(mini(*AGENT))
        filter_.is_view = True
        self.assertEqual(b'', filter_.feed(mini(*AGENT)))
        filter_.is_view = False
        mode = mini(messages.MOUSE_MODE)
        self.assertEqual(mode, filter_.feed(mini(*AGENT) + mode))

    def test_a_long_message_of_the_agent_ends_the_session(self) -> None:
        data = struct.pack('<HI', 107, 4097)
        for is_view in (True, False):
            filter_ = made(Channel.MAIN, is_view)
            self.assertRaises(ProtocolError, filter_.feed, data)

    def test_a_list_of_messages_ends_the_session(self) -> None:
        filter_ = spice.channel_filter(
            Channel.MAIN, mini_header=False, is_view=True
        )
        data = struct.pack('<QHII', 1, 2, 40, 18) + bytes(40)
        self.assertRaises(ProtocolError, filter_.feed, data)

    def test_long_bodies_take_no_memory(self) -> None:
        filter_ = made(Channel.MAIN, is_view=True)
        filter_.feed(struct.pack('<HI', 5, 2**32 - 1))
        for _ in range(2**32 // 2**25):
            self.assertEqual(b'', filter_.feed(bytes(2**25)))
        ack = mini(messages.ACK)
        self.assertEqual(ack[1:], filter_.feed(ack[1:] + ack)[-5:])


class InputsTest(testtools.TestCase):
    def test_input_is_dropped_and_seen(self) -> None:
        filter_ = made(Channel.INPUTS, is_view=True)
        for message in INPUTS:
            filter_.input_seen = False
            self.assertEqual(b'', filter_.feed(mini(message)))
            self.assertTrue(filter_.input_seen)

    def test_messages_without_a_user_are_not_input(self) -> None:
        for is_view in (True, False):
            filter_ = made(Channel.INPUTS, is_view)
            filter_.feed(mini(*COMMON, messages.MODIFIERS))
            self.assertFalse(filter_.input_seen)

    def test_locks_cannot_be_set_in_view_mode(self) -> None:
        filter_ = made(Channel.INPUTS, is_view=True)
        self.assertEqual(
            mini(*COMMON),
            filter_.feed(
                mini(messages.MODIFIERS, *COMMON, messages.MIGRATE_DATA)
            ),
        )

    def test_everything_passes_in_control_mode(self) -> None:
        filter_ = made(Channel.INPUTS, is_view=False)
        data = mini(*COMMON, *INPUTS, messages.MODIFIERS, (200, b'x'))
        self.assertIs(data, filter_.feed(data))
        self.assertTrue(filter_.input_seen)

    def test_a_long_message_ends_the_session(self) -> None:
        data = struct.pack('<HI', 104, 4097)
        filter_ = made(Channel.INPUTS, is_view=False)
        self.assertRaises(ProtocolError, filter_.feed, data)


class SwitchTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.filter = made(Channel.INPUTS, is_view=False)

    def withdraw(self) -> bytes:
        self.filter.is_view = True
        return self.filter.feed(b'')

    def test_keys_and_buttons_that_are_down_are_released(self) -> None:
        self.filter.feed(
            mini(
                messages.key_down(0x1D),
                messages.key_down(0x1E),
                messages.key_up(0x9E),
                # Right control and alt.
                messages.key_down(0x1DE0),
                messages.scan_codes(0xE0, 0x38, 0x2E, 0xAE),
                # Pause, which is never down.
                messages.scan_codes(0xE1, 0x1D, 0x45),
                messages.press(3, 1 << 2),
                messages.position(5, 5, 1 << 2),
            )
        )
        released = self.withdraw()
        self.assertEqual(
            mini(
                messages.key_up(0x9D),
                messages.key_up(0x9DE0),
                messages.key_up(0xB8E0),
                # The code behind Pause's first one.
                messages.key_up(0xC5),
                messages.release(1, 0),
            ),
            released,
        )
        self.assertEqual(b'', self.filter.feed(b''))

    def test_a_button_alone_is_released(self) -> None:
        for message in (
            messages.press(3, 1 << 2),
            messages.motion(1, 1, 1 << 2),
            messages.position(1, 1, 1 << 2),
        ):
            self.filter.is_view = False
            self.filter.feed(mini(message))
            self.assertEqual(mini(messages.release(1, 0)), self.withdraw())

    def test_an_unfinished_code_does_not_hide_a_key(self) -> None:
        self.filter.feed(mini(messages.scan_codes(0x1E, 0xE0)))
        self.assertEqual(
            mini(messages.key_up(0x9E), messages.key_up(0x9E)),
            self.withdraw(),
        )

    def test_nothing_is_released_that_is_up(self) -> None:
        self.filter.feed(mini(*INPUTS))
        self.assertEqual(b'', self.withdraw())

    def test_the_header_is_that_of_the_channel(self) -> None:
        self.filter = spice.channel_filter(
            Channel.INPUTS, mini_header=False, is_view=False
        )
        self.filter.feed(messages.full(messages.key_down(0x1D)))
        self.assertEqual(
            struct.pack('<QHIII', 0, 102, 4, 0, 0x9D), self.withdraw()
        )

    def test_dropped_motions_are_acknowledged_later(self) -> None:
        """Else a client with control again would send no motions."""
        self.withdraw()
        dropped = [messages.motion(1, 1)] * 3 + [messages.position(1, 1)]
        self.assertEqual(b'', self.filter.feed(mini(*dropped)))
        self.filter.is_view = False
        self.assertEqual(
            mini(*[messages.motion(0, 0)] * 4), self.filter.feed(b'')
        )
        self.assertEqual(b'', self.filter.feed(b''))

    def test_no_more_motions_are_made_than_clients_wait_for(self) -> None:
        self.withdraw()
        self.filter.feed(mini(*[messages.motion(1, 1)] * 100))
        self.filter.is_view = False
        self.assertEqual(
            mini(*[messages.motion(0, 0)] * 8), self.filter.feed(b'')
        )


class OtherChannelsTest(testtools.TestCase):
    def test_channels_of_output_pass(self) -> None:
        for channel in (Channel.DISPLAY, Channel.CURSOR, Channel.PLAYBACK):
            self.assertIn(channel, spice.VIEW_CHANNELS)
            filter_ = made(channel, is_view=True)
            self.assertEqual(b'abc', filter_.feed(b'abc'))
            self.assertFalse(filter_.input_seen)

    def test_other_channels_close_when_control_is_withdrawn(self) -> None:
        for channel in (
            Channel.RECORD,
            Channel.SMARTCARD,
            Channel.USBREDIR,
            Channel.PORT,
            Channel.WEBDAV,
        ):
            self.assertNotIn(channel, spice.VIEW_CHANNELS)
            filter_ = made(channel, is_view=False)
            self.assertEqual(b'abc', filter_.feed(b'abc'))
            filter_.is_view = True
            self.assertRaises(ProtocolError, filter_.feed, b'')


class StreamTest(testtools.TestCase):
    """Channels of a page, from the link on."""

    TICKET = struct.pack('<I', 1) + bytes(range(128))

    def fed(
        self, filter_: InputFilter, data: bytes, step: int = 9999
    ) -> bytes:
        return b''.join(
            filter_.feed(data[at : at + step])
            for at in range(0, len(data), step)
        )

    def test_the_link_passes(self) -> None:
        link = spice.link(Channel.MAIN)
        for step in (1, 30, 9999):
            filter_ = spice.Filter(is_view=True)
            data = link + self.TICKET + mini(messages.ACK)
            self.assertEqual(
                data, self.fed(filter_, data + mini(*AGENT), step)
            )

    def test_inputs_are_dropped(self) -> None:
        start = spice.link(Channel.INPUTS, connection_id=5) + self.TICKET
        filter_ = spice.Filter(is_view=True)
        self.assertEqual(start, filter_.feed(start + mini(*INPUTS)))
        self.assertTrue(filter_.input_seen)
        filter_.input_seen = False
        self.assertFalse(filter_.input_seen)
        filter_.is_view = False
        self.assertTrue(filter_.feed(mini(*INPUTS)).endswith(mini(*INPUTS)))

    def test_the_header_is_that_of_the_link(self) -> None:
        start = spice.link(Channel.MAIN, common=[1]) + self.TICKET
        filter_ = spice.Filter(is_view=True)
        ack = messages.full(messages.ACK)
        self.assertEqual(
            start + ack, filter_.feed(start + messages.full(*AGENT) + ack)
        )

    def test_a_link_without_a_mechanism_passes(self) -> None:
        start = spice.link(Channel.MAIN, common=[8]) + self.TICKET[4:]
        filter_ = spice.Filter(is_view=True)
        self.assertEqual(start, filter_.feed(start + mini(*AGENT)))

    def test_other_channels_do_not_open(self) -> None:
        for channel in (Channel.RECORD, Channel.USBREDIR, Channel.PORT):
            filter_ = spice.Filter(is_view=True)
            link = spice.link(channel, connection_id=5)
            self.assertEqual(b'', filter_.feed(link[:-1]))
            self.assertRaises(ProtocolError, filter_.feed, link[-1:])

    def test_other_authentication_ends_the_session(self) -> None:
        filter_ = spice.Filter(is_view=True)
        data = spice.link(Channel.MAIN) + struct.pack('<I', 2)
        self.assertRaises(ProtocolError, filter_.feed, data)

    def test_other_protocols_end_the_session(self) -> None:
        filter_ = spice.Filter(is_view=False)
        self.assertRaises(ProtocolError, filter_.feed, b'GET / HTTP/1.1\r\n')
