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

#: What the pages say.
CONTROL = 'Connected. You have control.'
VIEW = 'Connected. View only: your input is not sent.'


class SupervisedCase(ConsolePagesCase):
    def issue_for(self, mode: str, console_type: str = 'novnc') -> str:
        """The URL of a console, for control or to view."""
        answer = self.service.request(
            'POST',
            f'{SERVER}/console-auth-tokens',
            self.member,
            json={'console_auth_token': {'type': console_type, 'mode': mode}},
        )
        token = answer.json()['console_auth_token']
        self.service.secrets.add(token['token'])
        url: str = token['url']
        return url

    def open_for(self, mode: str, console_type: str = 'novnc') -> Page:
        """Open the page of a console, for control or to view."""
        page = self.page()
        page.goto(self.issue_for(mode, console_type))
        self.wait_for_mode(page, mode)
        return page

    def wait_for_mode(self, page: Page, mode: str) -> None:
        self.wait_for_status(page, {'control': CONTROL, 'view': VIEW}[mode])

    def set_mode(self, session: dict[str, Any], mode: str) -> None:
        answer = self.service.request(
            'PUT',
            f'{SESSIONS}/{session["id"]}',
            self.member,
            json={'console_session': {'mode': mode}},
        )
        self.assertEqual(200, answer.status_code, answer.text)

    def type_without_effect(self, page: Page) -> None:
        """Have a page send keys, whatever it knows of its mode."""
        page.evaluate(_SEND_KEYS)


#: Sends the key "x" by a websocket of the page, as noVNC would.
_SEND_KEYS = """() => {
    const key = down => Uint8Array.of(4, down, 0, 0, 0, 0, 0, 0x78);
    for (const down of [1, 0, 1, 0]) window.sockets.at(-1).send(key(down));
}"""

#: Keeps the websockets of a page.
_KEEP_SOCKETS = """() => {
    window.sockets = [];
    const { WebSocket } = window;
    window.WebSocket = class extends WebSocket {
        constructor(...parameters) {
            super(...parameters);
            window.sockets.push(this);
        }
    };
}"""
