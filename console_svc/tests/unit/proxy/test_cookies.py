# SPDX-License-Identifier: Apache-2.0

"""The cookies with which browsers resume sessions."""

import hashlib
from http import cookies

import testtools
from hypothesis import given, reject
from hypothesis import strategies as st
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeaderValue

from console_svc.proxy.cookies import SessionCookie
from console_svc.proxy.http.messages import Request
from console_svc.tests.unit.fuzz import SETTINGS, texts

TOKEN = 'token'
NAME = f'console-session-{hashlib.sha256(TOKEN.encode()).hexdigest()[:16]}'
SECRET = 'aB3_-' * 8 + 'xyz'


def cookie(
    *lines: str,
    target: str = f'/websockify?token={TOKEN}',
    is_secure: bool = False,
) -> SessionCookie:
    """The cookie of a websocket.

    :param lines: Cookie headers of the request
    """
    headers = Headers([('Cookie', line) for line in lines])
    request = Request('GET', target, '1.1', headers, '192.0.2.1', False)
    return SessionCookie(request, TOKEN, is_secure)


def other(number: int) -> str:
    """The name of another session's cookie."""
    return f'console-session-{number:016x}'


class CookieTest(testtools.TestCase):
    def test_cookie_has_a_new_secret(self) -> None:
        first, second = cookie(), cookie()
        self.assertNotEqual(first.secret, second.secret)
        self.assertRegex(first.secret, r'\A[A-Za-z0-9_-]{43}\Z')
        self.assertEqual(
            [
                f'{NAME}={first.secret}; Path=/websockify; HttpOnly; '
                'SameSite=Strict'
            ],
            first.headers(),
        )
        secure = cookie(is_secure=True)
        self.assertEqual(
            [
                f'{NAME}={secure.secret}; Path=/websockify; Secure; '
                'HttpOnly; SameSite=Strict'
            ],
            secure.headers(),
        )

    def test_paths_that_a_cookie_cannot_have_are_left_out(self) -> None:
        for target in (
            'http://host/websockify?token=x',
            '/a;Domain=example.org',
            '/a,b',
            '/a b',
            '/a\xf6',
            '*',
            '',
        ):
            (header,) = cookie(target=target).headers()
            self.assertNotIn('Path', header)
        for path in '/', '/a/b.c', '/a%20b', '/~x/':
            (header,) = cookie(target=path).headers()
            self.assertIn(f'; Path={path};', header)

    def test_secret_of_the_same_token_is_found(self) -> None:
        for lines in (
            [f'{NAME}={SECRET}'],
            [f'x={{"a":1}}; {NAME}={SECRET}; y'],
            [f'{other(1)}={"x" * 43}', f'{NAME}="{SECRET}"'],
            [f'{NAME}=; {NAME}=x; {NAME}={SECRET}; {NAME}={"x" * 43}'],
        ):
            self.assertEqual(SECRET, cookie(*lines).previous_secret, lines)
        for line in (
            f'{other(1)}={SECRET}',
            f'{NAME.upper()}={SECRET}',
            f'{NAME}={SECRET[1:]}',
            f'{NAME}={SECRET}x',
            f'{NAME}={SECRET[1:]}\xf6',
            f'{NAME}',
            '',
        ):
            self.assertIsNone(cookie(line).previous_secret, line)

    def test_the_oldest_cookies_expire(self) -> None:
        pairs = [f'{other(number)}={SECRET}' for number in range(22)]
        pairs += [pairs[0], f'{NAME}={SECRET}', f'{other(1)}00={SECRET}']
        headers = cookie('; '.join(pairs)).headers()
        self.assertEqual(4, len(headers))
        self.assertTrue(headers[0].startswith(f'{NAME}='))
        self.assertEqual(
            [
                f'{other(number)}=; Max-Age=0; Path=/websockify; HttpOnly; '
                'SameSite=Strict'
                for number in range(3)
            ],
            headers[1:],
        )
        pairs = [f'{other(number)}={SECRET}' for number in range(19)]
        self.assertEqual(1, len(cookie('; '.join(pairs)).headers()))

    @SETTINGS
    @given(
        st.lists(texts(f'{NAME}=;,"\\ %?&0123456789abcdef')),
        texts('/?;=,\r\n\\ %ab'),
        st.booleans(),
    )
    def test_any_header_gets_cookies_that_are_well_formed(
        self, lines: list[str], target: str, is_secure: bool
    ) -> None:
        try:
            made = cookie(*lines, target=target, is_secure=is_secure)
        except InvalidHeaderValue:
            # The proxy answers with a 400.
            reject()
        for header in made.headers():
            self.assertRegex(header, r'\A[!-~ ]+\Z')
            (morsel,) = cookies.SimpleCookie(header).values()
            self.assertTrue(morsel['httponly'])
            self.assertEqual('Strict', morsel['samesite'])
            self.assertEqual(is_secure, bool(morsel['secure']))
            self.assertEqual('', morsel['domain'])
