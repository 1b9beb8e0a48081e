# SPDX-License-Identifier: Apache-2.0

import json
import pathlib
from unittest import mock
from urllib import parse

import fixtures as fixtures_
import testtools
from websockets.datastructures import Headers

from console_svc.proxy import pages
from console_svc.proxy.http.messages import Request, Response
from console_svc.proxy.pages import Pages
from console_svc.tests import fixtures


class PagesCase(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)

    def new_pages(self, **options: object) -> Pages:
        """Return the pages with options of [proxy]."""
        configured = self.useFixture(fixtures.Configuration(proxy=options))
        return Pages(configured.conf)

    def response(self, of: Pages, target: str) -> Response:
        request = Request('GET', target, '1.1', Headers(), '192.0.2.7', False)
        return of.response(request)


class OwnPagesTest(PagesCase):
    """The pages of this package."""

    def test_pages_are_served_by_default(self) -> None:
        own = self.new_pages()
        for name in ('vnc', 'serial', 'spice', 'rdp', 'play'):
            response = self.response(own, f'/{name}.html?token=x')
            assert isinstance(response.body, bytes)
            self.assertIn(f'console/{name}.js'.encode(), response.body)
            module = self.response(own, f'/console/{name}.js')
            self.assertEqual('text/javascript', module.headers['Content-Type'])

    def test_policy_allows_no_scripts_inside(self) -> None:
        own = self.new_pages(frame_ancestors='self')
        policy = self.response(own, '/vnc.html').headers[
            'Content-Security-Policy'
        ]
        self.assertIn("script-src 'self';", policy)
        self.assertIn("style-src 'self';", policy)
        self.assertNotIn('unsafe', policy)
        self.assertTrue(policy.endswith("frame-ancestors 'self'"), policy)

    def test_policy_of_two_pages_alone_allows_webassembly(self) -> None:
        own = self.new_pages()
        for page in ('rdp.html?token=x', 'play.html'):
            policy = self.response(own, f'/{page}').headers[
                'Content-Security-Policy'
            ]
            self.assertIn("script-src 'self' 'wasm-unsafe-eval';", policy)
            self.assertEqual(
                self.response(own, '/vnc.html').headers[
                    'Content-Security-Policy'
                ],
                policy.replace(" 'wasm-unsafe-eval'", ''),
            )

    def test_other_pages_have_the_policy_of_the_operator(self) -> None:
        (self.folder / 'vnc_lite.html').write_text('packaged')
        both = self.new_pages(web=f'console-svc,{self.folder}')
        response = self.response(both, '/vnc_lite.html')
        self.assertEqual(200, response.status)
        self.assertNotIn('Content-Security-Policy', response.headers)

    def test_folders_are_searched_in_their_order(self) -> None:
        (self.folder / 'vnc.html').write_text('packaged')
        both = self.new_pages(web=f'{self.folder},console-svc')
        self.assertEqual(b'packaged', self.response(both, '/vnc.html').body)
        self.assertEqual(200, self.response(both, '/serial.html').status)

    def test_pages_that_are_not_configured_are_not_served(self) -> None:
        for web in ('', self.folder):
            other = self.new_pages(web=web)
            for path in ('/vnc.html', '/console/vnc.js', '/console.json'):
                self.assertEqual(404, self.response(other, path).status, path)

    def test_options_of_the_operator(self) -> None:
        for options, expected in (
            ({}, (True, True)),
            ({'clipboard_to_guest': False}, (False, True)),
            ({'clipboard_from_guest': False}, (True, False)),
        ):
            own = self.new_pages(**options)
            response = self.response(own, '/console.json?clipboard=1')
            self.assertEqual(
                'application/json', response.headers['Content-Type']
            )
            assert isinstance(response.body, bytes)
            self.assertEqual(
                dict(
                    zip(
                        ('clipboard_to_guest', 'clipboard_from_guest'),
                        expected,
                        strict=True,
                    )
                ),
                json.loads(response.body),
            )

    def test_missing_libraries_are_logged(self) -> None:
        log = self.useFixture(fixtures_.FakeLogger(level='WARNING'))
        with mock.patch.object(pages, '_OWN_FOLDER', self.folder):
            self.new_pages()
            self.assertIn('tools/build-web.sh', log.output)
            log.reset_output()
            (self.folder / 'console/vendor').mkdir(parents=True)
            self.new_pages()
            self.assertEqual('', log.output)


class SpicePageTest(PagesCase):
    """What is changed about SPICE's HTML5 client."""

    def setUp(self) -> None:
        super().setUp()
        for name in ('spice_auto.html', 'vnc_lite.html', 'ticket.js'):
            (self.folder / name).write_text('packaged')
        # npm's package has its modules in a folder.
        (self.folder / 'src').mkdir()
        (self.folder / 'src/ticket.js').write_text('packaged')
        self.pages = self.new_pages(web=self.folder)

    def moved(self, query: str, page: str = '/spice_auto.html') -> str | None:
        """Return the query to which a page is redirected, if it is."""
        response = self.get(f'{page}?{query}')
        if response.status == 200:
            return None
        self.assertEqual(302, response.status)
        return response.headers['Location'].removeprefix('?')

    def get(self, target: str) -> Response:
        return self.response(self.pages, target)

    def test_ticket_module_is_replaced(self) -> None:
        for path in ('/ticket.js', '/src/ticket.js?x=1'):
            response = self.get(path)
            self.assertEqual(200, response.status)
            self.assertEqual(
                'text/javascript', response.headers['Content-Type']
            )
            assert isinstance(response.body, bytes)
            self.assertIn(b'export function rsa_encrypt(', response.body)

    def test_ticket_module_replaces_an_existing_one_only(self) -> None:
        self.assertEqual(404, self.get('/x/ticket.js').status)
        none = self.new_pages(web='')
        self.assertEqual(404, self.response(none, '/ticket.js').status)

    def test_token_is_moved_into_the_path(self) -> None:
        for query, moved in (
            ('token=a-1_B', 'path=websockify%3Ftoken%3Da-1_B'),
            ('title=a(1)&token=x', 'path=websockify%3Ftoken%3Dx&title=a(1)'),
            ('path=w&token=x&a=1&a=2', 'path=w%3Ftoken%3Dx&a=1&a=2'),
            (
                'path=%2Fa%3Fb%3Dc+d&token=x',
                'path=%2Fa%3Fb%3Dc%20d%26token%3Dx',
            ),
            ('path=&token=x', 'path=%3Ftoken%3Dx'),
            ('path=w&path=v&token=x', 'path=w%3Ftoken%3Dx'),
            (
                'token=x&title=%C3%A9',
                'path=websockify%3Ftoken%3Dx&title=%C3%A9',
            ),
            (
                'token=x&title=\udcc3\udca9 "',
                'path=websockify%3Ftoken%3Dx&title=%C3%A9%20%22',
            ),
        ):
            self.assertEqual(moved, self.moved(query))
            # There is no second redirect.
            self.assertIsNone(self.moved(moved))

    def test_other_queries_are_left_alone(self) -> None:
        for query in (
            '',
            'token=',
            'token=a/b',
            'token=x&token=y',
            'path=%3Ftoken%3Dx',
        ):
            self.assertIsNone(self.moved(query), query)
        self.assertIsNone(self.moved('token=x', '/vnc_lite.html'))
        self.assertEqual(404, self.get('/x/spice_auto.html?token=x').status)

    def test_values_survive_the_redirect(self) -> None:
        query = parse.urlencode({'title': 'é&=?#%+/', 'token': 'x'})
        moved = dict(parse.parse_qsl(self.moved(query)))
        self.assertEqual('é&=?#%+/', moved['title'])
