# SPDX-License-Identifier: Apache-2.0

"""RDP servers in the page for RDP consoles, in Chromium."""

import functools
import pathlib
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from playwright.sync_api import Browser, Page, sync_playwright

from console_svc.tests import fixtures
from console_svc.tests.functional.proxy.base import (
    SERVER,
    SESSIONS,
    ProxyTest,
)
from console_svc.tests.integration.rdp_servers import (
    CLICK,
    COLOURS,
    WHITE,
    Shadow,
    Xrdp,
)
from console_svc.tests.programs import certificates, process
from console_svc.tests.programs.service import Service

SCREENSHOTS = pathlib.Path(__file__).parents[3] / '.test/screenshots'

#: Most by which a channel of a pixel may differ: RDP compresses with loss.
_LOSS = 16

#: Returns a pixel of the desktop, outside the text.
_PIXEL = """() => {
    const desktop = document.querySelector("iron-remote-desktop");
    const canvas = desktop?.shadowRoot.querySelector("canvas");
    if (!canvas) return null;
    const context = canvas.getContext("2d");
    return [...context.getImageData(600, 400, 1, 1).data.slice(0, 3)];
}"""


#: Keeps the websocket of the page.
_KEEP_SOCKET = """
    const { send } = WebSocket.prototype;
    WebSocket.prototype.send = function (data) {
        window.socket = this;
        return send.call(this, data);
    };
"""

# Fast-path input PDUs ([MS-RDPBCGR], section 2.2.8.1.2) with one event each:
# the key "2" is pressed and released, and so is the first button.
_RAW_KEY = ((4, 4, 0, 3), (4, 4, 1, 3))
_RAW_CLICK = (
    (4, 9, 0x20, 0, 0x90, 60, 0, 60, 0),
    (4, 9, 0x20, 0, 0x10, 60, 0, 60, 0),
)


class RDPTest(ProxyTest):
    folder: ClassVar[pathlib.Path]
    chromium: ClassVar[Browser]

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = cls.new_folder()
        certificates.write(cls.folder)
        port = process.free_port()
        cls.PROXY = {
            'port': port,
            'rdp': {'tls_ca_certs': cls.folder / 'ca-cert.pem'},
        }
        page = f'http://127.0.0.1:{port}/rdp.html'
        cls.SERVICE = functools.partial(
            Service, rdp={'html5_proxy_base_url': page}
        )
        super().setUpClass()
        playwright = sync_playwright().start()
        cls.addClassCleanup(playwright.stop)
        cls.chromium = playwright.chromium.launch(
            executable_path=process.program('chromium')
        )
        cls.addClassCleanup(cls.chromium.close)
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    def open(self, port: int, mode: str | None = None) -> Page:
        """Open the page of an RDP server.

        :param mode: of the token; None: it has no terms
        """
        self.place(port, kind='rdp-html5')
        context = self.chromium.new_context(
            viewport={'width': 900, 'height': 680}
        )
        self.addCleanup(context.close)
        page = context.new_page()
        self.messages: list[str] = []
        page.on('console', lambda message: self.messages.append(message.text))
        page.on('pageerror', lambda error: self.messages.append(str(error)))
        page.set_default_timeout(process.PATIENCE * 1000)
        page.add_init_script(_KEEP_SOCKET)
        page.goto(
            self.url('rdp', 'rdp-html5')
            if mode is None
            else self.url_with_terms(mode)
        )
        return page

    def url_with_terms(self, mode: str) -> str:
        wanted = {'type': 'rdp-html5', 'mode': mode}
        answer = self.service.request(
            'POST',
            f'{SERVER}/console-auth-tokens',
            fixtures.MEMBER,
            json={'console_auth_token': wanted},
        )
        url: str = answer.json()['console_auth_token']['url']
        return url

    def log_in(self, page: Page, name: str = '', password: str = '') -> None:
        """Fill in and send the form."""
        page.fill('input[name=username]', name)
        page.fill('input[name=password]', password)
        page.click('dialog button[value="log in"]')

    def wait(
        self, page: Page, condition: Callable[[], Any], what: str
    ) -> None:
        # Playwright handles events only in its own wait functions.
        deadline = time.monotonic() + process.PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                page.screenshot(path=SCREENSHOTS / 'timed-out.png')
                log = self.proxy.log.read_text()[-6000:]
                self.fail(
                    '\n'.join((f'timed out: {what}', *self.messages, log))
                )
            page.wait_for_timeout(100)

    def wait_for_state(self, page: Page, state: str) -> None:
        self.wait(
            page,
            lambda: page.get_attribute('body', 'data-state') == state,
            state,
        )

    def has_colour(self, page: Page, colour: Sequence[int]) -> bool:
        pixel = page.evaluate(_PIXEL)
        return pixel is not None and all(
            abs(one - other) <= _LOSS
            for one, other in zip(pixel, colour, strict=True)
        )

    def check_keys(self, page: Page) -> None:
        """Type keys, and check the colour of the screen."""
        for key in ('2', '4', '1'):
            self.assertFalse(self.has_colour(page, COLOURS[key]))

            self.press(page, key, COLOURS[key])

    def press(self, page: Page, key: str, colour: Sequence[int]) -> None:
        """Press a key until the screen has a colour."""

        def painted() -> bool:
            if self.has_colour(page, colour):
                return True
            page.keyboard.press(key)
            return False

        self.wait(page, painted, f'key {key}')

    def check_ended(self, page: Page) -> None:
        """End the session, and check that the page shows the reason."""
        (session,) = self.sessions()
        self.end(session)
        self.wait_for_state(page, 'disconnected')
        self.assertEqual(
            'The session was ended.', page.text_content('#reason')
        )
        self.assertEqual(
            [],
            [it for it in self.messages if 'readback' not in it],
        )


class ShadowTest(RDPTest):
    def test_page_shows_the_screen_and_types(self) -> None:
        server = self.useFixture(Shadow(self.folder))
        page = self.open(server.port)
        self.log_in(page)
        self.wait_for_state(page, 'connected')
        self.assertNotIn('token', page.url)
        self.check_keys(page)
        page.screenshot(path=SCREENSHOTS / 'page-rdp.png')
        self.check_ended(page)
        page.screenshot(path=SCREENSHOTS / 'page-rdp-ended.png')

    def test_page_asks_again_after_a_wrong_password(self) -> None:
        server = self.useFixture(Shadow(self.folder, ('joe', 'sesame')))
        page = self.open(server.port)
        self.log_in(page, 'joe', 'wrong')
        page.wait_for_selector('dialog p:has-text("has refused")')
        self.log_in(page, 'joe', 'sesame')
        self.wait_for_state(page, 'connected')
        self.check_keys(page)
        self.check_ended(page)
        log = self.proxy.log.read_text()
        self.assertNotIn('sesame', log)
        self.assertNotIn('joe', log)

    def test_page_reconnects_after_the_proxy_was_killed(self) -> None:
        server = self.useFixture(Shadow(self.folder))
        page = self.open(server.port)
        self.log_in(page)
        self.wait_for_state(page, 'connected')
        self.proxy.process.signal_all(signal.SIGKILL)
        self.proxy.process.wait()
        self.wait_for_state(page, 'reconnecting')
        self.proxy.process.start()
        self.wait_for_state(page, 'connected')
        self.check_keys(page)
        # The killed proxy has not closed its session.
        for session in self.sessions():
            self.end(session)
        self.wait_for_state(page, 'disconnected')


class ViewTest(RDPTest):
    def test_input_has_an_effect_only_with_control(self) -> None:
        server = self.useFixture(Shadow(self.folder))
        page = self.open(server.port, 'view')
        self.log_in(page)
        self.wait_for_state(page, 'connected')
        self.assertIn('View only', page.text_content('#status') or '')
        for _ in range(2):
            self.send_all(page)
            self.set_mode(page, 'control')
            # The server handles input in order.
            self.press(page, '4', COLOURS['4'])
            self.assertEqual({'4'}, {*server.terminal.keys})
            self.set_mode(page, 'view')
        self.set_mode(page, 'control')
        self.send(page, *_RAW_KEY)
        self.wait_for_colour(page, COLOURS['2'])
        self.press(page, '1', COLOURS['1'])
        self.send(page, *_RAW_CLICK)
        self.wait_for_colour(page, COLOURS[CLICK])
        self.press(page, '1', COLOURS['1'])
        self.click(page)
        self.wait_for_colour(page, COLOURS[CLICK])
        page.screenshot(path=SCREENSHOTS / 'page-rdp-control.png')
        self.check_ended(page)

    def send_all(self, page: Page) -> None:
        """Type and click in the page, and send what it would send."""
        page.keyboard.press('2')
        self.click(page)
        self.send(page, *_RAW_KEY, *_RAW_CLICK)

    def send(self, page: Page, *messages: Sequence[int]) -> None:
        for message in messages:
            page.evaluate(
                'data => window.socket.send(Uint8Array.from(data))',
                [*message],
            )

    def click(self, page: Page) -> None:
        """Click on the desktop."""
        box = page.locator('iron-remote-desktop').bounding_box()
        assert box is not None
        page.mouse.click(
            box['x'] + box['width'] / 2, box['y'] + box['height'] / 2
        )

    def wait_for_colour(self, page: Page, colour: Sequence[int]) -> None:
        self.wait(page, lambda: self.has_colour(page, colour), f'{colour}')

    def set_mode(self, page: Page, mode: str) -> None:
        """Change the mode of the session, and wait until it is obeyed."""
        (session,) = self.sessions()
        answer = self.service.request(
            'PUT',
            f'{SESSIONS}/{session["id"]}',
            fixtures.MEMBER,
            json={'console_session': {'mode': mode}},
        )
        self.assertEqual(200, answer.status_code, answer.text)
        self.wait(
            page,
            lambda: self.sessions()[0]['enforced_mode'] == mode,
            f'the mode {mode}',
        )


class XrdpTest(RDPTest):
    def test_page_shows_the_session_and_types(self) -> None:
        server = self.useFixture(Xrdp(self.folder))
        page = self.open(server.port)
        self.log_in(page)
        self.wait_for_state(page, 'connected')
        self.press(page, 'Enter', WHITE)
        self.check_keys(page)
        page.screenshot(path=SCREENSHOTS / 'page-rdp-xrdp.png')
        # The terminal pastes the clipboard, which is a key for it.
        page.click('button:has-text("Clipboard")')
        page.fill('dialog textarea', '2')
        page.click('dialog button[value="send"]')
        self.press(page, 'Shift+Insert', COLOURS['2'])
        self.check_ended(page)
