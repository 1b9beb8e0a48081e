# SPDX-License-Identifier: Apache-2.0

"""From the command line to the guest's screen in a real browser.

The tests use keystone, the API, the console proxy, libvirt, QEMU and Chromium.
Screenshots are stored in .test/screenshots.
"""

import functools
import html
import http.server
import os
import pathlib
import threading
import time
from typing import ClassVar

import fixtures as fixtures_
from playwright.sync_api import Page, WebSocket

from console_svc.tests import fixtures
from console_svc.tests.integration.chromium import (
    COLOURS,
    LIT,
    PIXEL,
    SCREENSHOTS,
    SESSIONS,
    BrowserTest,
)

# How many SPICE pages are opened in a row.
SPICE_PAGES = int(os.environ.get('CONSOLE_SVC_SPICE_PAGES', '3'))

#: Opens a websocket; returns [code, reason] of its close.
_CLOSED = """url => new Promise(resolve => {
    const socket = new WebSocket(url, ["binary"]);
    socket.onclose = event => resolve([event.code, event.reason]);
})"""

#: Opens a websocket and sends a text; returns the data until its echo.
_ECHO = """([url, text]) => new Promise(resolve => {
    const socket = new WebSocket(url, ["binary"]);
    socket.binaryType = "arraybuffer";
    let received = "";
    socket.onopen = () => socket.send(new TextEncoder().encode(text));
    socket.onmessage = event => {
        received += new TextDecoder().decode(event.data);
        if (received.endsWith(text)) { socket.close(); resolve(received); }
    };
    socket.onclose = event => resolve(event.reason);
})"""

#: A ticket.js whose tickets all begin with a zero byte.
_SHORT_TICKETS = """
import * as original from "./ticket.js?original";
export const create_rsa_from_mb = original.create_rsa_from_mb;
export function rsa_encrypt(key, text) {
    for (;;) {
        const ticket = original.rsa_encrypt(key, text);
        // The original of spice-html5 leaves the zero out.
        if (ticket[0] === 0 || ticket.length < 128) return ticket;
    }
}
"""

#: Loads a script of another site; returns after it has failed.
_INJECT = """() => new Promise(resolve => {
    const script = document.createElement("script");
    script.src = "https://evil.example.org/x.js";
    script.onerror = resolve;
    document.body.append(script);
})"""

SCREEN = '#spice_surface_0'


class Channel:
    """A websocket of SPICE's page."""

    def __init__(self, websocket: WebSocket) -> None:
        self.url = websocket.url
        self._received = b''
        websocket.on('framereceived', self._receive)

    def _receive(self, data: bytes | str) -> None:
        if self.result is None:
            assert isinstance(data, bytes)
            self._received += data

    @property
    def result(self) -> int | None:
        """The server's answer to the ticket; 0: accepted; None: not yet."""
        # The length of the server's link message is in its header.
        end = 16 + int.from_bytes(self._received[12:16], 'little')
        result = self._received[end : end + 4]
        return int.from_bytes(result, 'little') if len(result) == 4 else None


class ScreenTest(BrowserTest):
    MORE: ClassVar = {'consoleauth': {'session_lapse': 5, 'max_uses': 1}}

    def test_novnc_until_the_session_is_ended(self) -> None:
        url = self.url('--novnc')
        page = self.page(url)
        self.wait(page, lambda: page.evaluate(LIT, 'canvas') > 200, 'text')
        page.screenshot(path=SCREENSHOTS / 'novnc-ready.png')
        page.locator('canvas').click()
        self.check_keys(page, 'canvas')
        page.screenshot(path=SCREENSHOTS / 'novnc-typed.png')
        # The session of the page is listed.
        (session,) = self.sessions()
        self.assertEqual('novnc', session['console_type'])
        self.assertEqual(fixtures.SERVER, session['instance_uuid'])
        # When it is ended, the page is disconnected within seconds.
        ended = self.service.request(
            'DELETE', f'{SESSIONS}/{session["id"]}', self.member
        )
        self.assertEqual(204, ended.status_code)
        began = time.monotonic()
        self.wait_for_status(page, 'Disconnected')
        self.assertLess(time.monotonic() - began, 10)
        page.screenshot(path=SCREENSHOTS / 'novnc-ended.png')
        # The URL was for a single use.
        self.assertEqual(
            [1008, 'Token is used up.'],
            page.evaluate(_CLOSED, self.websocket(url)),
        )
        again = self.page(url)
        self.wait_for_status(again, 'connection is closed')
        self.assertEqual([], self.sessions())

    def test_pages_of_other_origins_are_refused(self) -> None:
        """A valid token does not suffice for a page of another origin."""
        url = self.websocket(self.url('--novnc'))
        page = self.page(
            f'http://localhost:{self.proxy_.port}/vnc_lite.html',
            # It would block the websocket before the proxy does.
            bypass_csp=True,
        )
        self.assertEqual([1006, ''], page.evaluate(_CLOSED, url))
        self.assertEqual([], self.sessions())


class PolicyTest(BrowserTest):
    """The pages of noVNC and SPICE with the content security policy."""

    PROXY: ClassVar = {'web': '/usr/share/novnc, /usr/share/spice-html5'}

    def test_page_with_all_controls(self) -> None:
        url = self.url('--novnc').replace('vnc_lite', 'vnc')
        page = self.page(f'{url}&autoconnect=true')
        self.wait(page, lambda: page.evaluate(LIT, 'canvas') > 200, 'text')

    def test_page_of_spice_without_a_token(self) -> None:
        page = self.page(f'http://127.0.0.1:{self.proxy_.port}/spice.html')
        page.locator('button').first.click()
        page.locator('#Sidenav.SidenavOpen').wait_for()

    def test_injected_scripts_of_other_sites_are_blocked(self) -> None:
        page = self.page()
        page.goto(f'http://127.0.0.1:{self.proxy_.port}/vnc_lite.html')
        page.evaluate(_INJECT)
        blocked = [it for it in self.messages if 'script-src' in it]
        self.assertEqual(1, len(blocked), self.messages)
        self.messages.clear()

    def test_dashboard_embeds_a_page(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
        dashboard = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0),
            functools.partial(
                http.server.SimpleHTTPRequestHandler, directory=folder
            ),
        )
        threading.Thread(target=dashboard.serve_forever, daemon=True).start()
        self.addCleanup(dashboard.server_close)
        self.addCleanup(dashboard.shutdown)
        (folder / 'console.html').write_text(
            f'<iframe src="{html.escape(self.url("--novnc"))}"></iframe>'
        )
        page = self.page()
        page.goto(f'http://localhost:{dashboard.server_port}/console.html')
        page.frame_locator('iframe').locator('canvas').wait_for()


class SpiceTest(BrowserTest):
    MORE: ClassVar = {'consoleauth': {'session_lapse': 5, 'max_uses': 1}}

    def open(self, page: Page, url: str) -> list[Channel]:
        """Open SPICE's page, and wait until it shows the screen.

        :returns: its channels, all of which the guest has accepted
        """
        channels: list[Channel] = []
        page.on('websocket', lambda it: channels.append(Channel(it)))
        page.goto(url)
        self.wait(page, lambda: page.evaluate(LIT, SCREEN) > 0, 'text')
        self.wait(
            page,
            lambda: None not in [channel.result for channel in channels],
            'the results of the tickets',
        )
        # Main, display, inputs and cursor.
        self.assertEqual([0] * 4, [channel.result for channel in channels])
        page.locator(SCREEN).click()
        return channels

    def test_channels_of_a_page(self) -> None:
        url = self.url('--spice')
        page = self.page()
        channels = self.open(page, url)
        self.check_keys(page, SCREEN)
        page.screenshot(path=SCREENSHOTS / 'spice-typed.png')
        # There is one session for each SPICE channel.
        self.assertEqual(
            {'spice-html5'},
            {session['console_type'] for session in self.sessions()},
        )
        # Each has the token of this page, not that of the newest tab.
        token = url.rpartition('=')[2]
        websocket = f'{self.proxy_.url}websockify?token={token}'
        self.assertEqual({websocket}, {channel.url for channel in channels})
        for cookie in page.context.cookies():
            self.assertTrue(cookie['name'].startswith('console-session-'))
            self.assertNotIn(token, cookie['value'])

    def test_tickets_that_begin_with_a_zero_byte(self) -> None:
        page = self.page()
        page.route(
            '**/ticket.js',
            lambda route: route.fulfill(
                content_type='text/javascript', body=_SHORT_TICKETS
            ),
        )
        self.open(page, self.issue('spice', 'spice-html5'))
        self.check_keys(page, SCREEN)

    def test_pages_in_a_row(self) -> None:
        for _ in range(SPICE_PAGES):
            page = self.page()
            self.open(page, self.issue('spice', 'spice-html5'))
            is_blue = page.evaluate(PIXEL, SCREEN) == COLOURS['1']
            self.press(page, '4' if is_blue else '1', SCREEN)
            page.context.close()


class SerialTest(BrowserTest):
    def test_serial_console(self) -> None:
        url = self.url('--serial')
        page = self.page(f'http://127.0.0.1:{self.proxy_.port}/vnc_lite.html')
        received = page.evaluate(_ECHO, [url, 'hello'])
        self.assertTrue(received.endswith('hello'), received)
