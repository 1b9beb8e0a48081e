# SPDX-License-Identifier: Apache-2.0

"""The pages of this package, in a real browser."""

import signal

from playwright.sync_api import Page

from console_svc.tests.integration.chromium import (
    LIT,
    SCREENSHOTS,
    SESSIONS,
    BrowserTest,
)

CANVAS = '#screen canvas'

#: Returns the text of the terminal.
_TERMINAL = """() => document.querySelector(".xterm-rows")?.innerText ?? "" """


class ConsolePagesTest(BrowserTest):
    VNC = 'http://127.0.0.1:{}/vnc.html'
    SPICE = 'http://127.0.0.1:{}/spice.html'
    SERIAL = 'http://127.0.0.1:{}/serial.html'

    def open(self, option: str) -> Page:
        """Open a console's page, and wait until it is connected."""
        page = self.page(self.url(option))
        self.wait_for_state(page, 'connected')
        return page

    def wait_for_state(self, page: Page, state: str) -> None:
        self.wait(
            page,
            lambda: page.get_attribute('body', 'data-state') == state,
            state,
        )

    def wait_for_text(self, page: Page, text: str) -> None:
        """Wait until the terminal shows a text."""
        self.wait(page, lambda: text in page.evaluate(_TERMINAL), text)

    def end_sessions(self) -> None:
        for session in self.sessions():
            self.service.request(
                'DELETE', f'{SESSIONS}/{session["id"]}', self.member
            )

    def check_ended(self, page: Page) -> None:
        """End the sessions, and check that the page shows the reason."""
        self.end_sessions()
        self.wait_for_state(page, 'disconnected')
        self.assertEqual(
            'The session was ended.', page.text_content('#reason')
        )

    def restart_proxy(self, page: Page) -> None:
        """Kill the proxy, and start it again."""
        self.proxy_.process.signal_all(signal.SIGKILL)
        self.proxy_.process.wait()
        self.wait_for_state(page, 'reconnecting')
        self.proxy_.process.start()
        self.wait_for_state(page, 'connected')

    def check_address(self, page: Page) -> None:
        """Check that the address of the page does not have the token."""
        self.assertNotIn('token', page.url)

    def test_vnc(self) -> None:
        page = self.open('--novnc')
        self.check_address(page)
        self.wait(page, lambda: page.evaluate(LIT, CANVAS) > 200, 'text')
        self.check_keys(page, CANVAS)
        page.screenshot(path=SCREENSHOTS / 'page-vnc.png')
        self.restart_proxy(page)
        self.check_keys(page, CANVAS)
        self.check_ended(page)
        page.screenshot(path=SCREENSHOTS / 'page-vnc-ended.png')

    def test_serial(self) -> None:
        page = self.open('--serial')
        self.check_address(page)
        page.keyboard.type('hello')
        self.wait_for_text(page, 'hello')
        page.screenshot(path=SCREENSHOTS / 'page-serial.png')
        self.restart_proxy(page)
        page.keyboard.type('again')
        self.wait_for_text(page, 'again')
        # The terminal has kept what was there.
        self.assertIn('hello', page.evaluate(_TERMINAL))
        self.check_ended(page)

    def test_spice(self) -> None:
        page = self.open('--spice')
        self.check_address(page)
        self.wait(page, lambda: page.evaluate(LIT, CANVAS) > 0, 'text')
        self.check_keys(page, CANVAS)
        page.screenshot(path=SCREENSHOTS / 'page-spice.png')
        self.restart_proxy(page)
        self.check_keys(page, CANVAS)
        self.check_ended(page)
