# SPDX-License-Identifier: Apache-2.0

"""Sessions that a browser resumes after its connection was lost."""

import socket
from http import cookies
from typing import Any

from websockets.exceptions import InvalidStatus
from websockets.sync import client
from websockets.sync.client import ClientConnection

from console_svc.db import tables
from console_svc.tests import fixtures
from console_svc.tests.functional.proxy.base import (
    SERVER,
    ProxyTest,
)
from console_svc.tests.functional.proxy.test_sessions import ENDED
from console_svc.tests.programs import process
from console_svc.tests.programs.bad_input import UPGRADE, connect
from console_svc.tests.programs.proxy import Proxy

USED_UP = (1008, 'Token is used up.')
INVALID = (1008, 'The console token is invalid or has expired.')


class Page:
    """A browser's page with one console, which opens the same URL each time.

    :param proxy: the one to which the load balancer leads
    """

    def __init__(self, test: 'ResumptionCase', token: str) -> None:
        self._test = test
        self._target = f'console?token={token}'
        self.proxy = test.proxy
        self.headers: dict[str, str] = {}
        #: The cookies of the browser by name, with attributes.
        self.jar = cookies.SimpleCookie()

    @property
    def cookie(self) -> str:
        """What the browser sends."""
        return '; '.join(
            f'{name}={morsel.value}' for name, morsel in self.jar.items()
        )

    def open(self, cookie: str | None = None) -> ClientConnection:
        """Open a websocket.

        :param cookie: the Cookie header; None: that of the browser
        """
        cookie = self.cookie if cookie is None else cookie
        connection = client.connect(
            f'{self.proxy.url}{self._target}',
            open_timeout=process.PATIENCE,
            close_timeout=1,
            additional_headers={
                **self.headers,
                **({'Cookie': cookie} if cookie else {}),
            },
        )
        self._test.addCleanup(connection.close)
        for header in connection.response.headers.get_all('Set-Cookie'):
            self.jar.load(header)
        secrets = [morsel.value for morsel in self.jar.values()]
        self._test.service.secrets.update(secrets)
        return connection


def reset(connection: ClientConnection) -> None:
    """Lose the connection, without a close frame."""
    connection.socket.shutdown(socket.SHUT_RDWR)


class ResumptionCase(ProxyTest):
    CONSOLEAUTH = {'max_uses': 1}

    def page(self, kind: str = 'serial') -> Page:
        """A page with a new token."""
        self.console(kind=kind)
        protocol = kind.partition('-')[0]
        return Page(self, self.token(protocol, kind))

    def opened(self, page: Page) -> ClientConnection:
        """A websocket of a page, whose console was seen."""
        connection = page.open()
        self.check_echo(connection)
        return connection

    def check_refused(
        self, page: Page, answer: Any = USED_UP, cookie: str | None = None
    ) -> None:
        self.assertEqual(answer, self.closed(page.open(cookie)))


class ResumptionTest(ResumptionCase):
    def test_session_whose_connection_is_lost_is_resumed(self) -> None:
        page = self.page()
        for _ in range(3):
            reset(self.opened(page))
        self.opened(page)
        self.assertEqual(1, len(self.sessions()))
        self.assertEqual(1, len(page.jar))
        # Others have the URL, but not the cookie.
        self.check_refused(page, cookie='')

    def test_session_that_was_closed_is_resumed(self) -> None:
        page = self.page()
        connection = self.opened(page)
        # As a page that is reloaded.
        connection.close(1001)
        self.wait_for_no_session()
        self.opened(page)

    def test_session_is_resumed_after_the_console_has_closed(self) -> None:
        page = self.page()
        self.console(lambda connection: connection.recv(1))
        page = Page(self, self.token())
        for _ in range(2):
            connection = page.open()
            connection.send(b'reboot')
            self.assertEqual(1000, self.closed(connection)[0])

    def test_serial_console_has_one_client_at_a_time(self) -> None:
        """The connection that the page has lost is not known to be lost."""
        page = self.page()
        lost = self.opened(page)
        self.opened(page)
        self.assertEqual(
            (1008, 'The session continues elsewhere.'), self.closed(lost)
        )
        self.assertEqual(1, len(self.sessions()))

    def test_cookie_is_for_the_websocket_alone(self) -> None:
        page = self.page()
        self.opened(page)
        (morsel,) = page.jar.values()
        self.assertEqual('/console', morsel['path'])
        self.assertEqual('Strict', morsel['samesite'])
        self.assertTrue(morsel['httponly'])
        self.assertEqual('', morsel['secure'] or morsel['domain'])

    def test_cookie_is_used_once(self) -> None:
        page = self.page()
        connection = self.opened(page)
        old = page.cookie
        reset(connection)
        connection = self.opened(page)
        self.check_refused(page, cookie=old)
        self.check_echo(connection)
        self.assertEqual(1, len(self.sessions()))

    def test_refused_page_keeps_its_cookie(self) -> None:
        page = self.page()
        reset(self.opened(page))
        before = page.cookie
        self.service.stop()
        self.check_refused(
            page,
            (1013, 'The console service is unavailable. Try again later.'),
        )
        self.assertEqual(before, page.cookie)
        self.service.start()
        self.opened(page)

    def test_ended_session_is_not_resumed(self) -> None:
        page = self.page()
        connection = self.opened(page)
        (session,) = self.sessions()
        self.end(session)
        self.assertEqual(ENDED, self.closed(connection))
        self.check_refused(page)

    def test_session_of_a_revoked_token_is_not_resumed(self) -> None:
        page = self.page()
        connection = self.opened(page)
        self.service.request(
            'DELETE', f'{SERVER}/console-auth-tokens', fixtures.MEMBER
        )
        self.assertEqual(ENDED, self.closed(connection))
        self.check_refused(page, INVALID)

    def test_other_origins_are_refused_first(self) -> None:
        page = self.page()
        reset(self.opened(page))
        page.headers['Origin'] = 'https://elsewhere.example.org'
        before = page.cookie
        refusal = self.assertRaises(InvalidStatus, page.open)
        self.assertEqual(403, refusal.response.status_code)
        self.assertNotIn('Set-Cookie', refusal.response.headers)
        del page.headers['Origin']
        self.assertEqual(before, page.cookie)
        self.opened(page)

    def test_malformed_cookies_are_ignored(self) -> None:
        page = self.page()
        self.opened(page)
        name, _, secret = page.cookie.partition('=')
        for cookie in (
            f'{name}=',
            f'{name}={secret[1:]}',
            f'{name}={secret}x',
            f'{name}={secret[1:]}"',
            f'{name}=\xf6{secret}',
            f'{name[:-1]}={secret}',
            f'{name}={"x" * 43}',
            f'{name}={secret[::-1]}',
        ):
            self.check_refused(page, cookie=cookie)

    def test_frames_that_come_too_early_close_the_websocket(self) -> None:
        page = self.page()
        reset(self.opened(page))
        request = UPGRADE.format(target=f'/{page._target}').replace(
            '\r\n\r\n', f'\r\nCookie: {page.cookie}\r\n\r\n'
        )
        stream = connect(
            self.proxy.port,
            # An unmasked frame, which a server must refuse.
            request.encode() + b'\x82\x01x',
        )
        self.addCleanup(stream.close)
        data = b''
        while more := stream.recv(65536):
            data += more
        self.assertNotIn(b' 101 ', data)


class OtherProxyTest(ResumptionCase):
    """Two proxies behind one load balancer."""

    CONSOLEAUTH = {'max_uses': 1, 'max_sessions_per_server': 4}

    @classmethod
    def start_proxy(cls) -> None:
        pass

    def setUp(self) -> None:
        super().setUp()
        self.start()
        self.addCleanup(self.end_all)

    def end_all(self) -> None:
        """End the sessions of proxies that were killed."""
        for session in self.sessions():
            self.end(session)

    def other(self) -> Proxy:
        """Start another proxy."""
        return self.useFixture(Proxy(self.service, keep_interval=1))

    def expire(self) -> None:
        """Have all tokens expire."""
        with self.service.database.engine.begin() as connection:
            connection.execute(
                tables.console_auth_tokens.update().values(expires=1)
            )

    def test_session_of_a_proxy_that_was_killed_is_resumed(self) -> None:
        # The server has no room for another session.
        pages = [self.page()]
        pages += [Page(self, self.token()) for _ in range(3)]
        for page in pages:
            self.opened(page)
        before = {it['id'] for it in self.sessions()}
        self.proxy.process.kill()
        other = self.other()
        for page in pages:
            page.proxy = other
            self.opened(page)
        sessions = {it['id'] for it in self.sessions()}
        self.assertEqual(4, len(sessions))
        self.assertFalse(sessions & before)

    def test_session_moves_to_another_proxy(self) -> None:
        """The first one still has the connection, as far as it knows."""
        page = self.page()
        lost = self.opened(page)
        page.proxy = self.other()
        connection = self.opened(page)
        self.assertEqual(ENDED, self.closed(lost))
        self.check_echo(connection)

    def test_session_is_resumed_after_its_token_has_expired(self) -> None:
        page = self.page()
        self.opened(page)
        self.expire()
        self.assertEqual(0, self.service.database.tokens.purge(1000, 10))
        self.proxy.process.kill()
        page.proxy = self.other()
        self.opened(page)
        # A new page needs a new token.
        self.check_refused(page, INVALID, cookie='')

    def test_channels_of_a_spice_page_are_resumed(self) -> None:
        page = self.page('spice-html5')
        for _ in range(2):
            self.opened(page)
        self.expire()
        self.proxy.process.kill()
        page.proxy = self.other()
        channels = [page.open() for _ in range(2)]
        for channel in channels:
            self.check_echo(channel)
        # No channel has ended another one.
        self.assertEqual(4, len(self.sessions()))


class AddressTest(ResumptionCase):
    PROXY = {'enable_proxy_headers_parsing': True}

    def test_other_addresses_are_refused(self) -> None:
        page = self.page()
        page.headers['X-Forwarded-For'] = '192.0.2.7'
        reset(self.opened(page))
        for address in '192.0.2.8', '2001:db8::7', '192.0.2.7, 192.0.2.8':
            page.headers['X-Forwarded-For'] = address
            self.check_refused(page)
        page.headers['X-Forwarded-For'] = '192.0.2.7'
        self.opened(page)

    def test_cookie_is_secure_behind_a_load_balancer_with_tls(self) -> None:
        page = self.page()
        page.headers['X-Forwarded-Proto'] = 'https'
        self.opened(page)
        (morsel,) = page.jar.values()
        self.assertTrue(morsel['secure'])


class OffTest(ResumptionCase):
    CONSOLEAUTH = {'max_uses': 1, 'resume_time': 0}

    def test_no_session_is_resumed(self) -> None:
        page = self.page()
        reset(self.opened(page))
        self.check_refused(page)
