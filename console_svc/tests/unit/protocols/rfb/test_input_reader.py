# SPDX-License-Identifier: Apache-2.0

import random

import testtools

from console_svc.protocols import rfb
from console_svc.tests.programs import rfb_messages as messages
from console_svc.tests.unit.protocols.fuzz import fragments
from console_svc.tests.unit.protocols.rfb.test_input_filter import (
    INPUT,
    OTHERS,
    PICTURES,
)


class InputReaderTest(testtools.TestCase):
    def test_input_is_described(self) -> None:
        for message, expected in (
            (
                messages.key(0x41, True),
                {'type': 'key', 'keysym': 0x41, 'is_down': True},
            ),
            (
                messages.qemu_key(0x41, 0x1E, False),
                {
                    'type': 'key',
                    'keysym': 0x41,
                    'keycode': 0x1E,
                    'is_down': False,
                },
            ),
            (
                messages.pointer(5, 30, 40),
                {'type': 'pointer', 'x': 30, 'y': 40, 'buttons': 5},
            ),
            (messages.cut_text(b'secret'), {'type': 'clipboard', 'size': 6}),
            (
                messages.extended_clipboard(1, b'x' * 9),
                {'type': 'clipboard', 'size': 13},
            ),
            (messages.XVP, {'type': 'power', 'operation': 'shutdown'}),
            (b'\xfa\0\1\x09', {'type': 'power', 'operation': '9'}),
            (
                messages.desktop_size(2),
                {'type': 'size', 'width': 800, 'height': 600},
            ),
            (messages.gii(b'x' * 24), {'type': 'other_device'}),
        ):
            self.assertEqual([expected], rfb.InputReader().read(message))

    def test_other_messages_are_not_input(self) -> None:
        reader = rfb.InputReader()
        for message in (
            *PICTURES,
            messages.AUDIO_START,
            messages.AUDIO_FORMAT,
        ):
            self.assertEqual([], reader.read(message))

    def test_pieces_make_no_difference(self) -> None:
        data = b''.join((*PICTURES, *INPUT, *OTHERS)) * 20
        whole = rfb.InputReader().read(data)
        self.assertEqual(20 * 12, len(whole))
        rng = random.Random(214)
        for _ in range(50):
            reader = rfb.InputReader()
            found = [
                it for part in fragments(rng, data) for it in reader.read(part)
            ]
            self.assertEqual(whole, found)
