# SPDX-License-Identifier: Apache-2.0

"""The pages of this package, in a real browser."""

import pathlib
import re
import signal

from playwright.sync_api import Page

from console_svc.tests import fixtures
from console_svc.tests.integration.chromium import (
    COLOURS,
    LIT,
    PIXEL,
    SCREENSHOTS,
    SESSIONS,
    BrowserTest,
)

CANVAS = '#screen canvas'

#: Returns the text of the terminal.
_TERMINAL = """() => document.querySelector(".xterm-rows")?.innerText ?? "" """

#: Whether a screen has the guest's banner, in its first line, and no more.
_BANNER = """selector => {
    const context = document.querySelector(selector).getContext("2d");
    const lit = (...part) => context.getImageData(...part).data
        .some((value, at) => value && at % 4 < 3);
    return lit(0, 0, 100, 16) && !lit(100, 0, 620, 16)
        && !lit(0, 16, 720, 384);
}"""

_SPICE_CLIENT = (
    pathlib.Path(__file__).parents[2]
    / 'web/console/vendor/spice-client/index.js'
)

#: Makes spice-client encrypt a ticket until it begins with a zero byte, which
#: it leaves out.
_SHORT_TICKET = r"""this.send_ticket((() => {
    for (;;) { const ticket = \1; if (ticket.length < 128) return ticket; }
})())"""

_TYPES = {'vnc': 'novnc', 'serial': 'serial', 'spice': 'spice-html5'}

_PHONE = {
    'viewport': {'width': 390, 'height': 700},
    'has_touch': True,
    'is_mobile': True,
    'color_scheme': 'dark',
}


class ConsolePagesTest(BrowserTest):
    VNC = 'http://127.0.0.1:{}/vnc.html'
    SPICE = 'http://127.0.0.1:{}/spice.html'
    SERIAL = 'http://127.0.0.1:{}/serial.html'

    def open(self, protocol: str, **options: object) -> Page:
        """Open a console's page, and wait until it is connected.

        :param options: of the browser's context
        """
        page = self.page(**options)
        page.goto(self.new_url(protocol))
        self.wait_for_state(page, 'connected')
        self.assertNotIn('token', page.url)
        return page

    def new_url(self, protocol: str) -> str:
        return self.issue(protocol, _TYPES[protocol])

    def wait_for_state(self, page: Page, state: str) -> None:
        self.wait(
            page,
            lambda: page.get_attribute('body', 'data-state') == state,
            state,
        )

    def wait_for_text(self, page: Page, text: str) -> None:
        """Wait until the terminal shows a text."""
        self.wait(page, lambda: text in page.evaluate(_TERMINAL), text)

    def wait_for_colour(self, page: Page, key: str) -> None:
        self.wait(
            page,
            lambda: page.evaluate(PIXEL, CANVAS) == COLOURS[key],
            f'the colour of key {key}',
        )

    def reset_guest(self, page: Page) -> None:
        """Reset the guest, and wait until the page shows its banner."""
        self.press(page, '4', CANVAS)
        with self.guest.connected() as connection:
            connection.lookupByUUIDString(fixtures.SERVER).reset()
        self.wait(page, lambda: page.evaluate(_BANNER, CANVAS), 'the banner')

    def restart_proxy(self, page: Page) -> None:
        """Kill the proxy, and start it again."""
        self.proxy_.process.signal_all(signal.SIGKILL)
        self.proxy_.process.wait()
        self.wait_for_state(page, 'reconnecting')
        self.proxy_.process.start()
        self.wait_for_state(page, 'connected')

    def check_ended(self, page: Page) -> None:
        """End the sessions, and check that the page shows the reason."""
        for session in self.sessions():
            self.service.request(
                'DELETE', f'{SESSIONS}/{session["id"]}', self.member
            )
        self.check_reason(page, 'The session was ended.')
        self.assertFalse(page.locator('#screen canvas').count())

    def check_reason(self, page: Page, reason: str) -> None:
        self.wait_for_state(page, 'disconnected')
        self.assertEqual(reason, page.text_content('#reason'))

    def test_vnc(self) -> None:
        page = self.open('vnc')
        self.reset_guest(page)
        page.screenshot(path=SCREENSHOTS / 'page-vnc.png')
        self.check_keys(page, CANVAS)
        self.restart_proxy(page)
        self.check_keys(page, CANVAS)
        self.check_ended(page)
        page.screenshot(path=SCREENSHOTS / 'page-ended.png')
        # The user may try again.
        page.get_by_role('button', name='Reconnect').press('Enter')
        self.wait_for_state(page, 'connected')
        # And so may those who load the page again.
        page.reload()
        self.wait_for_state(page, 'connected')

    def test_serial(self) -> None:
        page = self.open('serial')
        with self.guest.connected() as connection:
            connection.lookupByUUIDString(fixtures.SERVER).reset()
        self.wait_for_text(page, 'GUEST READY')
        # The guest echoes each byte of a character by itself.
        page.keyboard.type('hello, wörld €')
        self.wait_for_text(page, 'hello, wörld €')
        page.screenshot(path=SCREENSHOTS / 'page-serial.png')
        self.restart_proxy(page)
        page.keyboard.type('again')
        self.wait_for_text(page, 'again')
        # The terminal has kept what was there.
        self.assertIn('GUEST READY', page.evaluate(_TERMINAL))
        self.check_ended(page)

    def test_spice(self) -> None:
        page = self.page()
        short = re.sub(
            r'this\.send_ticket\((\w+\(.*?"\\0"\))\)',
            _SHORT_TICKET,
            _SPICE_CLIENT.read_text(),
        )
        self.assertIn('ticket.length < 128', short)
        page.route(
            '**/spice-client/index.js',
            lambda route: route.fulfill(
                content_type='text/javascript', body=short
            ),
        )
        page.goto(self.new_url('spice'))
        self.wait_for_state(page, 'connected')
        self.assertNotIn('token', page.url)
        self.reset_guest(page)
        page.screenshot(path=SCREENSHOTS / 'page-spice.png')
        self.check_keys(page, CANVAS)
        self.restart_proxy(page)
        self.check_keys(page, CANVAS)
        self.check_ended(page)

    def test_buttons_by_keyboard(self) -> None:
        for protocol in ('vnc', 'spice'):
            self.check_buttons(self.open(protocol))

    def check_buttons(self, page: Page) -> None:
        """Check what can be done without a mouse."""
        self.wait(page, lambda: page.evaluate(LIT, CANVAS), 'a screen')
        # From the screen, which takes all keys, to the buttons.
        page.keyboard.press('Control+Alt+Home')
        first = page.get_by_role('button', name='Ctrl+Alt+Del')
        self.wait(
            page,
            lambda: first.evaluate('it => it == document.activeElement'),
            'the focus of the first button',
        )
        for text, key, left_out in (
            ('14', '4', ''),
            ('2é', '2', 'Not on a US keyboard, and left out: é'),
        ):
            page.get_by_role('button', name='Paste as keys').press('Enter')
            page.get_by_label('Text to type').fill(text)
            self.assertEqual(left_out, page.text_content('dialog output'))
            page.get_by_role('button', name='Type').press('Enter')
            self.wait_for_colour(page, key)
        # The screen has the focus again.
        page.keyboard.press('1')
        self.wait_for_colour(page, '1')
        page.context.close()

    def test_chords(self) -> None:
        page = self.open('vnc')
        self.press(page, '4', CANVAS)
        page.get_by_role('button', name='Ctrl+Alt+Del').click()
        # The guest's BIOS restarts it.
        self.wait(
            page,
            lambda: page.evaluate(PIXEL, CANVAS) == [0, 0, 0],
            'a restart',
        )
        page.context.close()
        page = self.open('serial')
        page.get_by_label('Send keys').select_option('Ctrl+]')
        page.get_by_role('button', name='Paste as keys').click()
        page.get_by_label('Text to type').fill('pasted')
        page.get_by_role('button', name='Type').click()
        self.wait_for_text(page, 'pasted')

    def test_phone(self) -> None:
        page = self.open('vnc', **_PHONE)
        self.press(page, '4', CANVAS)
        page.get_by_role('button', name='Keyboard').tap()
        # Such a keyboard changes a text, without events of keys.
        page.keyboard.insert_text('12')
        self.wait_for_colour(page, '2')
        page.screenshot(path=SCREENSHOTS / 'page-phone.png')

    def test_clipboard(self) -> None:
        # QEMU passes the clipboard of one VNC client on to the others.
        sender, receiver = self.open('vnc'), self.open('vnc')
        sender.get_by_role('button', name='Clipboard').click()
        sender.get_by_label('Text of the clipboard').fill('cöpied €')
        sender.get_by_role('button', name='Send to the server').click()

        def received() -> bool:
            receiver.get_by_role('button', name='Clipboard').click()
            field = receiver.get_by_label('Text of the clipboard')
            value = field.input_value()
            receiver.keyboard.press('Escape')
            return value == 'cöpied €'

        self.wait(receiver, received, 'the text')
        sender.context.close()

    def test_copying_in_a_terminal(self) -> None:
        for allowed in (True, False):
            self.assertEqual(allowed, self.copies({'allowed': allowed}))

    def copies(self, options: dict[str, bool]) -> bool:
        """Whether the text of a terminal can be copied."""
        page = self.page()
        page.context.grant_permissions(['clipboard-read', 'clipboard-write'])
        page.route(
            '**/console.json',
            lambda route: route.fulfill(
                json={
                    'clipboard_to_guest': True,
                    'clipboard_from_guest': options['allowed'],
                }
            ),
        )
        page.goto(self.new_url('serial'))
        self.wait_for_state(page, 'connected')
        page.keyboard.type('text')
        self.wait_for_text(page, 'text')
        page.evaluate('navigator.clipboard.writeText("before")')
        page.locator('.xterm-screen').dblclick(position={'x': 9, 'y': 9})
        page.evaluate('document.execCommand("copy")')
        copied = page.evaluate('navigator.clipboard.readText()')
        page.context.close()
        self.assertIn(copied, ('text', 'before'))
        return bool(copied == 'text')

    def test_viewers(self) -> None:
        serial = self.open('serial')
        viewer = self.page()
        viewer.goto(f'{self.new_url("vnc")}&view_only=1')
        self.wait_for_state(viewer, 'connected')
        self.assertTrue(viewer.url.endswith('/vnc.html?view_only=1'))
        buttons = viewer.get_by_role('button').all()
        self.assertEqual(
            ['Full screen'],
            [it.text_content() for it in buttons if it.is_visible()],
        )
        viewer.locator(CANVAS).click()
        viewer.keyboard.type('x')
        user = self.open('vnc')
        user.keyboard.type('y')
        # The guest writes what is typed to its serial port.
        self.wait_for_text(serial, 'y')
        self.assertNotIn('x', serial.evaluate(_TERMINAL))

    def test_guest_that_restarts(self) -> None:
        page = self.open('vnc')
        with self.guest.connected() as connection:
            domain = connection.lookupByUUIDString(fixtures.SERVER)
            domain.destroy()
            self.wait_for_state(page, 'reconnecting')
            domain.create()
        self.wait_for_state(page, 'connected')
        self.check_keys(page, CANVAS)

    def test_clipboard_that_is_off(self) -> None:
        for to_guest, from_guest, shown in (
            (False, False, []),
            (True, False, ['Paste as keys', 'Clipboard']),
            (False, True, ['Clipboard']),
        ):
            self.check_clipboard(
                {
                    'clipboard_to_guest': to_guest,
                    'clipboard_from_guest': from_guest,
                },
                shown,
            )

    def check_clipboard(
        self, options: dict[str, bool], shown: list[str]
    ) -> None:
        """Check which buttons a page with these options has."""
        page = self.page()
        page.route(
            '**/console.json', lambda route: route.fulfill(json=options)
        )
        page.goto(self.new_url('vnc'))
        self.wait_for_state(page, 'connected')
        buttons = page.get_by_role('button')
        self.assertEqual(
            ['Ctrl+Alt+Del', *shown, 'Full screen'],
            [it.text_content() for it in buttons.all() if it.is_visible()],
        )
        page.context.close()

    def test_pages_that_cannot_connect(self) -> None:
        page = self.page()
        for path, reason in (
            (
                'vnc.html',
                "This page's URL has no console token. Ask for a new URL.",
            ),
            (
                'serial.html?token=unknown',
                'The console token is invalid or has expired.',
            ),
        ):
            page.goto(f'http://127.0.0.1:{self.proxy_.port}/{path}')
            self.check_reason(page, reason)
        page.route('**/vendor/**', lambda route: route.abort())
        page.goto(f'http://127.0.0.1:{self.proxy_.port}/vnc.html?token=x')
        self.wait_for_state(page, 'disconnected')
        self.assertIn('loaded completely', page.text_content('#reason'))
