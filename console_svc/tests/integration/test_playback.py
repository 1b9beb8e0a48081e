# SPDX-License-Identifier: Apache-2.0

"""Recordings of a guest, played by Chromium: as they looked live."""

import functools
import hashlib
import pathlib
import struct
import tempfile
import time
import uuid
from collections.abc import Callable
from typing import Any, ClassVar

from cryptography.fernet import Fernet
from playwright.sync_api import Page

from console_svc.consoles.recording_index import RecordingIndex
from console_svc.db import recording_tables
from console_svc.recordings import contents, formats, storage
from console_svc.recordings.keys import Keys
from console_svc.tests import fixtures
from console_svc.tests.integration.chromium import (
    COLOURS,
    SCREENSHOTS,
    BrowserTest,
)
from console_svc.tests.integration.screen import Display
from console_svc.tests.integration.service import Service
from console_svc.tests.programs import process, rfb_messages

SERVER = f'/v2.1/servers/{fixtures.SERVER}'
CANVAS = '#screen canvas'

#: Size of the guest's screen.
WIDTH, HEIGHT = 720, 400

#: The keys that change the screen, in their order.
KEYS = ('4', '2', '1')

#: Seconds for which a screen must not change to count as one.
STILL = 2

#: Returns the digest of the pixels of the only canvas; null: there is another.
_DIGEST = """async selector => {
    const [canvas, other] = document.querySelectorAll(selector);
    if (!canvas || other) return null;
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d")
        .getImageData(0, 0, width, height);
    const digest = await crypto.subtle.digest("SHA-256", data);
    return Array.from(new Uint8Array(digest),
        byte => byte.toString(16).padStart(2, "0")).join("");
}"""

_SEEK = """(slider, milliseconds) => {
    slider.value = milliseconds;
    slider.dispatchEvent(new Event("input"));
}"""

#: The text on asciinema's terminal.
_TERMINAL = (
    """() => document.querySelector(".ap-term-text")?.innerText ?? "" """
)


class PlaybackTest(BrowserTest):
    VNC = 'http://127.0.0.1:{}/vnc.html'
    SERIAL = 'http://127.0.0.1:{}/serial.html'
    storage: ClassVar[storage.Storage]

    @classmethod
    def start(cls) -> Service:  # type: ignore[override]
        folder = pathlib.Path(
            cls.enterClassContext(tempfile.TemporaryDirectory())
        )
        (folder / 'keys').write_text(Fernet.generate_key().decode())
        cls.RECORDING = {
            'directory': folder / 'recordings',
            'key_file': folder / 'keys',
        }
        shared, own = process.free_ports(2)
        rfb = {'listen_port': shared}
        ports = f'{own}-{own}'
        cls.MORE = {
            'api': {'recordings': True},
            'consoles': {
                'mode': 'gateway',
                'public_hostname': '127.0.0.1',
                'port_range': ports,
            },
            'rfb': rfb,
        }
        cls.PROXY = {
            'recording': {
                **cls.RECORDING,
                'mode': 'required',
                'min_free': 0,
                'piece_seconds': 0.1,
            },
            'rfb': rfb,
            'port_range': ports,
        }
        service = super().start()
        cls.storage = storage.load(service.conf)
        return service

    def setUp(self) -> None:
        super().setUp()
        self.before = {it.id for it in self.storage.entries()}

    def recorded(self) -> tuple[str, float]:
        """The recording of this test, once it is finished: id and start."""

        def new() -> list[str]:
            return [
                it.id
                for it in self.storage.entries()
                if it.is_finished and it.id not in self.before
            ]

        process.wait_for(new, 'the recording')
        (recording_id,) = new()
        # The API does so every minute.
        conf, database = self.service.conf, self.service.database
        RecordingIndex(conf, database, self.storage).update()
        with self.storage.open(recording_id) as source:
            key = Keys(conf).of(recording_id, source)
            return recording_id, contents.head(source, key)['started_at']

    def access(self, recording_id: str, token: str) -> Any:
        """Ask for the URL of a recording."""
        return self.service.request(
            'POST',
            f'{SERVER}/console-recordings/{recording_id}/access',
            token,
        )

    def url_of(self, recording_id: str) -> str:
        """The URL of the page that plays a recording."""
        answer = self.access(recording_id, self.admin)
        self.assertEqual(201, answer.status_code, answer.text)
        url: str = answer.json()['access']['url']
        self.service.secrets.add(url.partition('#token=')[2])
        return url

    def play(self, recording_id: str) -> Page:
        """Open the page of a recording, and wait until it is played."""
        page = self.page(self.url_of(recording_id))
        self.wait_for_state(page, 'playing', 'ended')
        self.assertNotIn('token', page.url)
        return page

    def wait_for_state(self, page: Page, *states: str) -> None:
        self.wait(
            page,
            lambda: page.get_attribute('body', 'data-state') in states,
            f'one of {states}',
        )

    def seek(self, page: Page, seconds: float) -> None:
        """Jump to a time of a recording that is paused or has ended."""
        page.locator('#position').evaluate(_SEEK, round(seconds * 1000))
        self.wait_for_state(page, 'paused', 'ended')

    def shot(
        self, digest: Callable[[], Any], pause: Callable[[], None]
    ) -> tuple[float, str]:
        """A screen that did not change for some time, and since when.

        A recording begins a little later than its description says, so that a
        moment of the live session is earlier in it.
        """
        deadline = time.monotonic() + process.PATIENCE
        while True:
            began, before = time.time(), digest()
            pause()
            if before == digest():
                return began, before
            self.assertLess(time.monotonic(), deadline)

    def check_shots(
        self, recording_id: str, shots: list[tuple[float, str]]
    ) -> Page:
        """Check that the recording shows screens at their times."""
        page = self.play(recording_id)
        page.get_by_role('button', name='Pause').click()
        # Forward and back.
        for at in (1, 2, 0, 2, 1):
            seconds, digest = shots[at]
            self.seek(page, seconds)
            self.assertEqual(digest, page.evaluate(_DIGEST, CANVAS), at)
        return page

    def test_vnc_in_chromium(self) -> None:
        page = self.page(self.issue('vnc', 'novnc'))
        shots = []
        for key in KEYS:
            self.press(page, key, CANVAS)
            shots.append(
                self.shot(
                    lambda: page.evaluate(_DIGEST, CANVAS),
                    lambda: page.wait_for_timeout(STILL * 1000),
                )
            )
        self.assertEqual(len(KEYS), len({it for _, it in shots}))
        page.context.close()
        recording_id, start = self.recorded()
        played = self.check_shots(
            recording_id, [(at - start, digest) for at, digest in shots]
        )
        played.screenshot(path=SCREENSHOTS / 'page-play.png')
        # It plays on by itself, to the end.
        played.get_by_label('Speed').select_option('8')
        self.seek(played, shots[0][0] - start)
        played.keyboard.press(' ')
        self.wait_for_state(played, 'ended')
        self.assertEqual(shots[-1][1], played.evaluate(_DIGEST, CANVAS))
        # Another project's reader.
        answer = self.access(recording_id, self.stranger)
        self.assertEqual(404, answer.status_code)

    def test_tigervnc_through_the_gateway(self) -> None:
        path = f'{SERVER}/consoles'
        self.service.request('POST', path, self.member)
        (found,) = self.service.request('GET', path, self.member).json()[
            'consoles'
        ]
        console = self.service.request(
            'GET', f'{path}/{found["console"]["id"]}', self.member
        ).json()['console']
        display = self.useFixture(Display())
        viewer = self.useFixture(
            display.view(
                console['password'],
                f'127.0.0.1::{console["port"]}',
                '-SecurityTypes=VncAuth',
                # Without a text on the screen.
                '-MenuKey=',
            )
        )
        process.wait_for(lambda: display.lit() > 200, 'the screen')
        shots = []
        for key in KEYS:
            process.wait_for(
                functools.partial(_painted, display, key), f'key {key}'
            )
            shots.append(
                self.shot(lambda: _digest(display), lambda: time.sleep(STILL))
            )
        self.service.request('DELETE', f'{path}/{console["id"]}', self.member)
        viewer.wait()
        recording_id, start = self.recorded()
        self.check_shots(
            recording_id, [(at - start, digest) for at, digest in shots]
        )

    def test_serial(self) -> None:
        page = self.page(self.issue('serial', 'serial'))
        self.wait_for_state(page, 'connected')
        page.keyboard.type('hello, wörld €')
        self.wait(
            page,
            lambda: (
                'hello, wörld €'
                in page.evaluate(
                    'document.querySelector(".xterm-rows")?.innerText ?? ""'
                )
            ),
            'the text',
        )
        page.context.close()
        recording_id, _ = self.recorded()
        played = self.play(recording_id)
        self.wait(
            played,
            lambda: 'hello, wörld €' in played.evaluate(_TERMINAL),
            'the text',
        )
        played.screenshot(path=SCREENSHOTS / 'page-play-serial.png')
        played.keyboard.press('Home')
        self.wait(
            played,
            lambda: 'hello' not in played.evaluate(_TERMINAL),
            'the start',
        )
        played.keyboard.press('End')
        self.wait(
            played,
            lambda: 'hello, wörld €' in played.evaluate(_TERMINAL),
            'the end',
        )
        with self.service.database.engine.begin() as connection:
            connection.execute(
                recording_tables.recording_accesses.update().values(expires=1)
            )
        played.reload()
        self.check_failed(played, 'The link to this recording has expired')

    def test_recording_that_cannot_be_decoded(self) -> None:
        conf, recording_id = self.service.conf, str(uuid.uuid4())
        head = {
            'session_id': str(uuid.uuid4()),
            'server_id': fixtures.SERVER,
            'project_id': self.keystone.projects['demo'],
            'user_id': None,
            'client_address': None,
            'console_type': 'novnc',
            'started_at': time.time(),
        }
        writer = formats.OF_TYPES['novnc'].writer(
            Keys(conf).new(recording_id), head
        )
        self.storage.check()
        sink = self.storage.create(recording_id, writer.start())
        init = struct.pack('>HH', 8, 8) + rfb_messages.NOVNC + bytes(4)
        # No server sends such a message.
        writer.output(0, init + b'\x4d')
        sink.append(writer.end(0, 'The end.'))
        sink.finish()
        self.recorded()
        page = self.page(self.url_of(recording_id))
        self.check_failed(page, 'it is damaged')
        # Also when more of it is loaded.
        page.wait_for_timeout(500)
        self.check_failed(page, 'it is damaged')

    def check_failed(self, page: Page, reason: str) -> None:
        self.wait_for_state(page, 'failed')
        self.assertIn(reason, page.text_content('#reason') or '')

    def test_links_that_lead_nowhere(self) -> None:
        page = self.page()
        for fragment, reason in (
            ('', "This page's URL has no token of a recording. "),
            (
                '#token=' + 'x' * 43,
                'or the recording was deleted. Ask for a new one.',
            ),
        ):
            page.goto(
                f'http://127.0.0.1:{self.proxy_.port}/play.html{fragment}'
            )
            self.check_failed(page, reason)
            page.goto('about:blank')


def _painted(display: Display, key: str) -> bool:
    """Press a key until the guest's screen has its colour."""
    if [*display.pixel(600, 200)] == COLOURS[key]:
        return True
    # The window may show the screen before it takes keys.
    display.press(key)
    time.sleep(0.2)
    return False


def _digest(display: Display) -> str:
    """The digest of what the viewer shows, as of a canvas."""
    return hashlib.sha256(display.of_window(WIDTH, HEIGHT)).hexdigest()
