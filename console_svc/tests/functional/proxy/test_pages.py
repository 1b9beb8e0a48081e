# SPDX-License-Identifier: Apache-2.0

"""Pages: which may open consoles, and which the proxy serves."""

import http.client
import pathlib
from typing import ClassVar

from websockets.exceptions import InvalidStatus

from console_svc.tests.functional.proxy.base import ProxyTest


class OriginCase(ProxyTest):
    def setUp(self) -> None:
        super().setUp()
        self.console()

    def allows(self, origin: str, **headers: str) -> bool:
        """Whether a page of an origin can open a console."""
        try:
            connection = self.connect(
                origin=origin,
                additional_headers={
                    name.replace('_', '-'): value
                    for name, value in headers.items()
                },
            )
        except InvalidStatus as error:
            self.assertEqual(403, error.response.status_code)
            return False
        self.check_echo(connection)
        return True


class OriginTest(OriginCase):
    PROXY = {
        'allowed_origins': 'dashboard.example.org, '
        'HTTP://Dashboard.example.net:8080/, [2001:DB8::7]:8080,'
    }

    def test_own_and_allowed_origins_open_consoles(self) -> None:
        own = f'http://127.0.0.1:{self.proxy.port}'
        for origin, allowed in (
            (own, True),
            ('http://dashboard.example.org', True),
            ('http://dashboard.example.org:8080', True),
            ('http://dashboard.example.net:8080', True),
            ('http://[2001:db8::7]:8080', True),
            ('http://127.0.0.1', False),
            (own.replace('http', 'https'), False),
            ('http://dashboard.example.net', False),
            ('http://dashboard.example.net:8081', False),
            ('http://[2001:db8::7]', False),
            ('https://dashboard.example.org', False),
            ('http://evil.example.org', False),
            ('http://127.0.0.1.example.org', False),
            ('http://dashboard.example.org.evil.example.org', False),
            ('null', False),
            ('', False),
            (f'{own}, {own}', False),
            ('http://', False),
            ('http://[', False),
        ):
            self.assertEqual(allowed, self.allows(origin), origin)

    def test_forwarded_scheme_is_ignored_by_default(self) -> None:
        own = f'https://127.0.0.1:{self.proxy.port}'
        self.assertFalse(self.allows(own, X_Forwarded_Proto='https'))


class ForwardedOriginTest(OriginCase):
    """With a load balancer that ends TLS."""

    PROXY = {'enable_proxy_headers_parsing': True}

    def test_forwarded_scheme_is_that_of_the_own_origin(self) -> None:
        for page, scheme, allowed in (
            ('https', 'https', True),
            ('https', 'HTTPS', True),
            ('https', 'wss', True),
            ('https', 'http, https', True),
            ('http', 'https', False),
            ('http', 'wss', False),
            ('http', 'http, https', False),
            ('http', 'http', True),
            ('http', 'ws', True),
            ('http', 'https, http', True),
            # The scheme of the connection.
            ('http', 'unknown', True),
            ('https', 'unknown', False),
        ):
            self.assertEqual(
                allowed,
                self.allows(
                    f'{page}://127.0.0.1:{self.proxy.port}',
                    X_Forwarded_Proto=scheme,
                ),
                (page, scheme),
            )

    def test_forwarded_host_and_port_are_not_trusted(self) -> None:
        self.assertFalse(
            self.allows(
                'http://evil.example.org:8080',
                X_Forwarded_Host='evil.example.org:8080',
            )
        )
        self.assertFalse(
            self.allows('http://127.0.0.1', X_Forwarded_Port='80')
        )

    def test_other_origins_are_refused(self) -> None:
        self.assertFalse(self.allows('http://dashboard.example.org'))


class PagesTest(ProxyTest):
    folder: ClassVar[pathlib.Path]

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = cls.new_folder()
        cls.PROXY = {'web': f'{cls.folder}/one,{cls.folder}/two'}
        super().setUpClass()

    def test_only_files_of_the_web_folders_are_served(self) -> None:
        folder = self.folder
        for name in ('one', 'two'):
            (folder / name).mkdir()
        (folder / 'secret.html').write_text('secret')
        (folder / 'one/vnc.html').write_text('<p>one</p>')
        (folder / 'two/vnc.html').write_text('<p>two</p>')
        (folder / 'two/core.js').write_text('export {}')
        (folder / 'one/link.html').symlink_to(folder / 'secret.html')
        for path, status, kind, text in (
            ('/vnc.html?token=x', 200, 'text/html', '<p>one</p>'),
            ('/core.js', 200, 'text/javascript', 'export {}'),
            ('/', 404, 'text/plain; charset=utf-8', None),
            ('/nothing', 404, 'text/plain; charset=utf-8', None),
            ('/../secret.html', 404, 'text/plain; charset=utf-8', None),
            ('/%2e%2e/secret.html', 404, 'text/plain; charset=utf-8', None),
            ('/link.html', 404, 'text/plain; charset=utf-8', None),
            (
                f'//{folder}/secret.html',
                404,
                'text/plain; charset=utf-8',
                None,
            ),
            ('/%00', 404, 'text/plain; charset=utf-8', None),
        ):
            answer = self.get(path)
            self.assertEqual(status, answer.status, path)
            self.assertEqual(kind, answer.headers['Content-Type'])
            self.assertEqual('no-referrer', answer.headers['Referrer-Policy'])
            if text is not None:
                self.assertEqual(text, answer.read().decode())

    def get(self, path: str) -> http.client.HTTPResponse:
        # A client that leaves '..' in a path.
        connection = http.client.HTTPConnection('127.0.0.1', self.proxy.port)
        self.addCleanup(connection.close)
        connection.request('GET', path)
        return connection.getresponse()
