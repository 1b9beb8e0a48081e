# SPDX-License-Identifier: Apache-2.0

"""Base class of tests with Chromium.

The tests use keystone, the API, the console proxy, libvirt, QEMU and Chromium.
Screenshots are stored in .test/screenshots.
"""

import os
import pathlib
import re
import subprocess
import time
from collections.abc import Sequence
from typing import Any, ClassVar

from playwright.sync_api import Browser, Page, sync_playwright

from console_svc.tests import fixtures
from console_svc.tests.integration import libvirtd
from console_svc.tests.integration.base import KeystoneTest
from console_svc.tests.integration.keystone import PASSWORD
from console_svc.tests.integration.libvirtd import Libvirtd
from console_svc.tests.integration.service import Service, console_api
from console_svc.tests.programs import process
from console_svc.tests.programs.proxy import Proxy

SCREENSHOTS = pathlib.Path(__file__).parents[3] / '.test/screenshots'
SESSIONS = f'/v2.1/servers/{fixtures.SERVER}/console-sessions'

# Keys, and the screen colours that tools/guest.s sets for them.
COLOURS = {'1': [0, 0, 168], '2': [0, 168, 0], '4': [168, 0, 0]}

#: Returns a pixel of a canvas, outside the text.
PIXEL = """selector => {
    const canvas = document.querySelector(selector);
    if (!canvas || canvas.width < 720) return null;
    const context = canvas.getContext("2d");
    return [...context.getImageData(600, 200, 1, 1).data.slice(0, 3)];
}"""

#: Returns the number of pixels that are not black.
LIT = """selector => {
    const canvas = document.querySelector(selector);
    if (!canvas || canvas.width < 720) return 0;
    const data = canvas.getContext("2d").getImageData(0, 0, 720, 400).data;
    let lit = 0;
    for (let at = 0; at < data.length; at += 4)
        if (data[at] + data[at + 1] + data[at + 2]) lit++;
    return lit;
}"""


class BrowserTest(KeystoneTest):
    proxy_: ClassVar[Proxy]
    guest: ClassVar[Libvirtd]
    chromium: ClassVar[Browser]

    #: Base URLs, with the port of the proxy.
    VNC = 'http://127.0.0.1:{}/vnc_lite.html'
    SPICE = 'http://127.0.0.1:{}/spice_auto.html'
    SERIAL = 'ws://127.0.0.1:{}/'
    PLAYBACK = 'http://127.0.0.1:{}/play.html'

    #: More options of the API: group -> option -> value.
    MORE: ClassVar[dict[str, Any]] = {}

    #: More options of the API in [recording].
    RECORDING: ClassVar[dict[str, Any]] = {}

    #: More options of [proxy].
    PROXY: ClassVar[dict[str, Any]] = {}

    @classmethod
    def start(cls) -> Service:  # type: ignore[override]
        libvirtd.quiet()
        cls.guest = Libvirtd()
        cls.guest.setUp()
        cls.addClassCleanup(cls.guest.cleanUp)
        cls.guest.domain(
            fixtures.SERVER,
            'instance-00000001',
            cls.keystone.projects['demo'],
            password='',
            spice=True,
            serial_port=process.free_port(),
            guest=True,
        )
        port = process.free_port()
        cls.OPTIONS = {
            'compute': {'driver': 'libvirt'},
            'libvirt': {
                'hosts': f'compute-1={cls.guest.uri}',
                'timeout': 20,
            },
            'consoleauth': {'session_lapse': 5},
            'vnc': {'novncproxy_base_url': cls.VNC.format(port)},
            'spice': {'html5proxy_base_url': cls.SPICE.format(port)},
            'serial_console': {'base_url': cls.SERIAL.format(port)},
            'recording': {
                'playback_base_url': cls.PLAYBACK.format(port),
                **cls.RECORDING,
            },
            **cls.MORE,
        }
        service = super().start()
        cls.proxy_ = Proxy(
            service,
            console_api(cls.keystone),
            port=port,
            keep_interval=1,
            workers=2,
            **cls.PROXY,
        )
        # The proxy finds the API in the catalogue, like any client.
        cls.addClassCleanup(cls.keystone.add_compute(service.url))
        cls.proxy_.setUp()
        cls.addClassCleanup(cls.proxy_.cleanUp)
        cls.addClassCleanup(cls.read_proxy_log)
        playwright = sync_playwright().start()
        cls.addClassCleanup(playwright.stop)
        cls.chromium = playwright.chromium.launch(
            executable_path=process.program('chromium')
        )
        cls.addClassCleanup(cls.chromium.close)
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        return service

    @classmethod
    def read_proxy_log(cls) -> None:
        log = cls.proxy_.log.read_text()
        for secret in (*cls.service.secrets, PASSWORD, 'Traceback'):
            assert secret not in log, f'{secret} is in the log'

    def url(self, option: str) -> str:
        """Return a console's URL from ``openstack console url show``."""
        answer = subprocess.run(
            [
                process.program('openstack'),
                *('console', 'url', 'show', option, fixtures.SERVER),
                *('-f', 'value', '-c', 'url'),
            ],
            env={
                **os.environ,
                'OS_AUTH_URL': self.keystone.url,
                'OS_USERNAME': 'member',
                'OS_PASSWORD': PASSWORD,
                'OS_PROJECT_NAME': 'demo',
                'OS_USER_DOMAIN_ID': 'default',
                'OS_PROJECT_DOMAIN_ID': 'default',
                'OS_REGION_NAME': 'RegionOne',
            },
            check=True,
            capture_output=True,
            text=True,
        )
        url = answer.stdout.strip()
        token = url.rpartition('token')[2].removeprefix('%3D').lstrip('=')
        self.service.secrets.add(token)
        return url

    def issue(self, protocol: str, console_type: str) -> str:
        """Return a console's URL from the API, faster than :meth:`url`."""
        answer = self.service.request(
            'POST',
            f'/v2.1/servers/{fixtures.SERVER}/remote-consoles',
            self.member,
            '2.99',
            json={
                'remote_console': {'protocol': protocol, 'type': console_type}
            },
        )
        url: str = answer.json()['remote_console']['url']
        self.service.secrets.add(re.split('=|%3D', url)[-1])
        return url

    def page(self, url: str = '', **options: Any) -> Page:
        """Open a page in a context of its own.

        :param options: of the context
        """
        context = self.chromium.new_context(
            **{'viewport': {'width': 900, 'height': 560}, **options}
        )
        self.addCleanup(context.close)
        page = context.new_page()
        self.messages: list[str] = []
        page.on('console', lambda message: self.messages.append(message.text))
        page.on('pageerror', lambda error: self.messages.append(str(error)))
        self.addCleanup(self.check_policy, self.messages)
        page.set_default_timeout(process.PATIENCE * 1000)
        if url:
            page.goto(url)
        return page

    def check_policy(self, messages: Sequence[str]) -> None:
        """Check that the content security policy has blocked nothing."""
        self.assertEqual(
            [], [it for it in messages if 'Content Security Policy' in it]
        )

    def wait(
        self,
        page: Page,
        condition: Any,
        what: str,
        patience: float = process.PATIENCE,
    ) -> None:
        # Playwright handles events only in its own wait functions.
        deadline = time.monotonic() + patience
        while not condition():
            if time.monotonic() > deadline:
                page.screenshot(path=SCREENSHOTS / 'timed-out.png')
                logs = self.proxy_.log, self.service.log
                ends = (log.read_text()[-6000:] for log in logs)
                self.fail(
                    '\n'.join((f'timed out: {what}', *self.messages, *ends))
                )
            page.wait_for_timeout(100)

    def wait_for_status(self, page: Page, text: str) -> None:
        """Wait until the status line of noVNC's page has a text."""
        self.wait(
            page,
            lambda: text in (page.text_content('#status') or ''),
            text,
        )

    def check_keys(self, page: Page, canvas: str) -> None:
        """Type keys, and check the colour of the guest's screen."""
        for key in ('2', '4', '1'):
            self.assertNotEqual(COLOURS[key], page.evaluate(PIXEL, canvas))
            self.press(page, key, canvas)

    def press(self, page: Page, key: str, canvas: str) -> None:
        """Press a key until the screen has its colour."""

        def painted() -> bool:
            if page.evaluate(PIXEL, canvas) == COLOURS[key]:
                return True
            # Repeat the key: SPICE shows the screen before it accepts keys.
            page.keyboard.press(key)
            return False

        self.wait(page, painted, f'key {key}')

    def sessions(self) -> list[dict[str, Any]]:
        answer = self.service.request('GET', SESSIONS, self.member)
        found: list[dict[str, Any]] = answer.json()['console_sessions']
        return found

    def websocket(self, url: str) -> str:
        """Return the URL of the websocket for the URL of noVNC's page."""
        token = url.rpartition('%3D')[2]
        return f'{self.proxy_.url}?token={token}'
