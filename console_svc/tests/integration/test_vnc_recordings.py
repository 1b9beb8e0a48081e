# SPDX-License-Identifier: Apache-2.0

"""A guest of QEMU, driven in TigerVNC's viewer through the gateway.

The viewer also plays the recording: it shows what it has shown live.
"""

import os
import pathlib
import signal
import time
from collections.abc import Iterator

import fixtures as fixtures_

from console_svc.recordings import contents
from console_svc.recordings.check import State
from console_svc.tests.functional.proxy.recording import RecordingsTest
from console_svc.tests.integration.qemu import VNCGuest
from console_svc.tests.integration.replay import Replay
from console_svc.tests.integration.screen import Display
from console_svc.tests.programs import certificates, fbs, process
from console_svc.tests.programs.gateway import Gateway

# Key -> the colour that tools/guest.s shows for it.
COLOURS = {'4': (168, 0, 0), '2': (0, 168, 0), '1': (0, 0, 168)}
GREY = (168, 168, 168)
BLACK = (0, 0, 0)


def shown(display: Display) -> tuple[list[bytes], list[bytes]]:
    """What the window of the viewer shows, above and below its own message.

    The guest prints the digits of its keys above.
    """
    return display.part(1, 21, 718, 40), display.part(1, 120, 718, 299)


class TigerVNCTest(RecordingsTest):
    """TLS on both sides of the proxy."""

    def setUp(self) -> None:
        super().setUp()
        pki = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
        certificates.write(pki)
        guest = self.useFixture(VNCGuest(pki))
        self.configure('required')
        self.gateway = self.useFixture(
            Gateway(
                guest.port,
                proxy={
                    'recording': self.recording,
                    'vnc': {
                        'auth_schemes': 'vencrypt',
                        'vencrypt_ca_certs': pki / 'ca-cert.pem',
                    },
                },
            )
        )
        self.opened = self.gateway.open()

    def test_recording_shows_what_the_viewer_has_shown(self) -> None:
        """Also after the death of the proxy, up to what was written."""
        display = self.useFixture(Display())
        self.useFixture(
            display.view(
                self.opened['password'],
                f'127.0.0.1::{self.opened["port"]}',
                '-SecurityTypes=X509Vnc',
                f'-X509CA={self.gateway.authority}',
            )
        )
        moments = [*self.driven(display)]
        # What is shown next is written: so is all that was before.
        last = moments[-1][0]
        self.paint(display, '0', BLACK)
        process.wait_for(
            lambda: fbs.blocks(self.file())[-1][0] > last, 'the last piece'
        )
        (worker,) = process.children(self.gateway.proxy.process.pid)
        os.kill(worker, signal.SIGKILL)
        stored = self.stored_file()
        self.assertEqual(State.INTERRUPTED, stored['state'])
        for moment, picture in moments:
            self.check_played(stored['file'], moment, picture)

    def driven(
        self, display: Display
    ) -> Iterator[tuple[float, tuple[list[bytes], list[bytes]]]]:
        """Milliseconds from the start, and what is shown then."""
        process.wait_for(lambda: display.lit() > 200, 'the screen')

        def takes_keys() -> bool:
            display.press('7')
            return display.pixel(600, 200) == GREY

        process.wait_for(takes_keys, 'the window to take keys')
        with self.opened_recording() as (source, key):
            start = contents.head(source, key)['started_at']
        for digit, colour in COLOURS.items():
            self.paint(display, digit, colour)
            # Without the digit that the guest prints, more would come.
            process.wait_for(
                lambda: bytes(3) in shown(display)[0], 'the digit'
            )
            yield 1000 * (time.time() - start), shown(display)

    def paint(
        self, display: Display, digit: str, colour: tuple[int, int, int]
    ) -> None:
        """Press a key, upon which the guest fills the screen."""
        display.press(digit)
        process.wait_for(
            lambda: display.pixel(600, 200) == colour, f'key {digit}'
        )

    def check_played(
        self,
        file: bytes,
        moment: float,
        picture: tuple[list[bytes], list[bytes]],
    ) -> None:
        """Check what the viewer shows of a recording at a moment."""
        replay = self.useFixture(Replay(file, moment))
        display = self.useFixture(Display())
        self.useFixture(
            display.view(
                '', f'127.0.0.1::{replay.port}', '-SecurityTypes=None'
            )
        )
        process.wait_for(
            lambda: shown(display) == picture, 'the picture of the viewer'
        )
