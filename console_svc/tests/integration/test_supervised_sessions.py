# SPDX-License-Identifier: Apache-2.0

"""One user drives a guest while others watch, and control changes hands."""

from typing import Any, ClassVar

from playwright.sync_api import Page

from console_svc.tests import fixtures
from console_svc.tests.integration.chromium import (
    COLOURS,
    PIXEL,
    SCREENSHOTS,
    SESSIONS,
)
from console_svc.tests.integration.screen import Display
from console_svc.tests.integration.service import Service
from console_svc.tests.integration.test_console_pages import (
    CANVAS,
    ConsolePagesCase,
)
from console_svc.tests.programs import process

SERVER = f'/v2.1/servers/{fixtures.SERVER}'

#: What the status of a page says.
MODES = {
    'control': 'Connected. You have control.',
    'view': 'Connected. View only: your input is not sent.',
}

#: Keeps the websocket of a page that was used last.
_KEEP_SOCKET = """
    const { send } = WebSocket.prototype;
    WebSocket.prototype.send = function (data) {
        window.socket = this;
        return send.call(this, data);
    };
"""

#: Sends a key (RFC 6143, section 7.5.4), whatever the page knows of its mode.
_SEND_KEY = """key => {
    for (const down of [1, 0])
        window.socket.send(Uint8Array.of(4, down, 0, 0, 0, 0, 0, key));
}"""


class SupervisedCase(ConsolePagesCase):
    MORE: ClassVar = {
        'consoleauth': {'session_lapse': 600, 'allow_takeover': True}
    }

    def open_for(self, mode: str) -> Page:
        """Open a page of the VNC console, for control or to view."""
        answer = self.service.request(
            'POST',
            f'{SERVER}/console-auth-tokens',
            self.member,
            json={'console_auth_token': {'type': 'novnc', 'mode': mode}},
        )
        token = answer.json()['console_auth_token']
        self.service.secrets.add(token['token'])
        page = self.page()
        page.add_init_script(_KEEP_SOCKET)
        page.goto(token['url'])
        self.wait_for_mode(page, mode)
        return page

    def wait_for_mode(self, page: Page, mode: str) -> None:
        self.wait_for_status(page, MODES[mode])

    def set_mode(self, session: dict[str, Any], mode: str) -> None:
        answer = self.service.request(
            'PUT',
            f'{SESSIONS}/{session["id"]}',
            self.member,
            json={'console_session': {'mode': mode}},
        )
        self.assertEqual(200, answer.status_code, answer.text)

    def drive(self, driver: Page, key: str, *others: Page) -> None:
        """Press a key, and wait until all pages show it."""
        self.press(driver, key, CANVAS)
        for page in others:
            self.wait_for_colour(page, key)

    def check_without_control(self, page: Page, driver: Page) -> None:
        """Check that nothing that a page sends reaches the guest.

        The guest handles keys in order: at the end, it would show the last.
        """
        self.drive(driver, '4', page)
        page.locator(CANVAS).click()
        page.keyboard.press('1')
        page.evaluate(_SEND_KEY, ord('1'))
        self.drive(driver, '2', page)
        self.assertEqual(COLOURS['2'], page.evaluate(PIXEL, CANVAS))


class SupervisedTest(SupervisedCase):
    @classmethod
    def start(cls) -> Service:  # type: ignore[override]
        first = min(process.free_ports(2))
        ports = {'port_range': f'{first}-{first}'}
        cls.MORE = {
            **SupervisedCase.MORE,
            'consoles': {
                'mode': 'gateway',
                'public_hostname': '127.0.0.1',
                **ports,
            },
            'rfb': {'listen_port': process.free_port()},
        }
        cls.PROXY = {'rfb': cls.MORE['rfb'], **ports}
        return super().start()

    def test_control_is_handed_over_and_taken_over(self) -> None:
        driver, viewer = self.open_for('control'), self.open_for('view')
        self.check_without_control(viewer, driver)
        driver.screenshot(path=SCREENSHOTS / 'page-control.png')
        viewer.screenshot(path=SCREENSHOTS / 'page-view.png')
        by_mode = {it['mode']: it for it in self.sessions()}
        # Over to the viewer, and back.
        self.set_mode(by_mode['control'], 'view')
        self.set_mode(by_mode['view'], 'control')
        self.wait_for_mode(driver, 'view')
        self.wait_for_mode(viewer, 'control')
        self.check_without_control(driver, viewer)
        self.set_mode(by_mode['control'], 'control')
        self.set_mode(by_mode['view'], 'view')
        self.wait_for_mode(driver, 'control')
        self.wait_for_mode(viewer, 'view')
        self.check_without_control(viewer, driver)

    def test_tigervnc_watches(self) -> None:
        driver = self.open_for('control')
        display = self.useFixture(Display())
        path = f'{SERVER}/consoles'
        self.service.request('POST', path, self.member)
        (found,) = self.get(self.member).json()['consoles']
        console = self.service.request(
            'GET', f'{path}/{found["console"]["id"]}', self.member
        ).json()['console']
        self.service.secrets.add(console['password'])
        self.useFixture(
            display.view(
                console['password'],
                f'127.0.0.1::{console["port"]}',
                '-SecurityTypes=VncAuth',
            )
        )
        # It does not ask to share the console, and the page is still there.
        self.check_shown(driver, display, '4')
        (session,) = (
            it for it in self.sessions() if it['console_type'] == 'vnc'
        )
        self.set_mode(session, 'view')
        self.wait(driver, lambda: self.is_enforced('view'), 'view mode')
        display.press('1')
        self.check_shown(driver, display, '2')
        self.assertEqual(COLOURS['2'], driver.evaluate(PIXEL, CANVAS))
        display.keep('tigervnc-view')
        self.set_mode(session, 'control')
        self.wait(driver, lambda: self.is_enforced('control'), 'control')
        display.press('1')
        self.wait_for_colour(driver, '1')

    def check_shown(self, page: Page, display: Display, key: str) -> None:
        """Press a key in a page, and wait until TigerVNC shows it."""
        self.press(page, key, CANVAS)
        self.wait(
            page,
            lambda: [*display.pixel(600, 200)] == COLOURS[key],
            f'the colour of key {key} in TigerVNC',
        )

    def is_enforced(self, mode: str) -> bool:
        """Whether the proxy has confirmed the mode of the native client."""
        return mode in {
            it['enforced_mode']
            for it in self.sessions()
            if it['console_type'] == 'vnc'
        }


class FullConsoleTest(SupervisedCase):
    MORE: ClassVar = {
        'consoleauth': {
            'session_lapse': 600,
            'allow_takeover': True,
            'max_sessions_per_server': 1,
        }
    }

    def test_console_is_taken_over(self) -> None:
        holder = self.open_for('control')
        other = self.page()
        other.goto(self.new_url('vnc'))
        self.wait_for_state(other, 'disconnected')
        self.assertIn('is in use', other.text_content('#reason') or '')
        self.assertRegex(
            other.text_content('#notice li') or '',
            r'^User \S+ has had control since .+, from 127\.0\.0\.1\.$',
        )
        other.screenshot(path=SCREENSHOTS / 'page-take-over.png')
        other.get_by_role('button', name='Take over').click()
        self.wait_for_mode(other, 'control')
        self.wait_for_state(holder, 'disconnected')
        self.assertRegex(
            holder.text_content('#reason') or '',
            r'^User \S+ has taken over the console\.$',
        )
        self.press(other, '2', CANVAS)
        # It is not taken back without the user.
        holder.get_by_role('button', name='Reconnect').click()
        self.wait_for_state(holder, 'disconnected')
        self.assertEqual(MODES['control'], other.text_content('#status'))


class IdleUserTest(SupervisedCase):
    PROXY: ClassVar = {'idle_timeout': 5}

    def test_blinking_guest_keeps_no_idle_user(self) -> None:
        idle, busy = self.open_for('control'), self.open_for('control')
        # The cursor blinks from now on.
        busy.locator(CANVAS).click()
        busy.keyboard.press('8')

        def is_out() -> bool:
            busy.keyboard.press('Shift')
            return idle.get_attribute('body', 'data-state') == 'disconnected'

        self.wait(idle, is_out, 'the time-out')
        self.check_reason(idle, 'The session was idle for too long.')
        self.assertEqual(MODES['control'], busy.text_content('#status'))
