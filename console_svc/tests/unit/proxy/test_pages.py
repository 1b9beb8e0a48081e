# SPDX-License-Identifier: Apache-2.0

import pathlib
from urllib import parse

import fixtures as fixtures_
import testtools
from websockets.datastructures import Headers

from console_svc.proxy.http.messages import Request, Response
from console_svc.proxy.pages import Pages


class SpicePageTest(testtools.TestCase):
    """What is changed about SPICE's HTML5 client."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
        for name in ('spice_auto.html', 'vnc_lite.html', 'ticket.js'):
            (self.folder / name).write_text('packaged')
        # npm's package has its modules in a folder.
        (self.folder / 'src').mkdir()
        (self.folder / 'src/ticket.js').write_text('packaged')
        self.pages = Pages([str(self.folder)])

    def moved(self, query: str, page: str = '/spice_auto.html') -> str | None:
        """Return the query to which a page is redirected, if it is."""
        response = self.get(f'{page}?{query}')
        if response.status == 200:
            return None
        self.assertEqual(302, response.status)
        return response.headers['Location'].removeprefix('?')

    def get(self, target: str, pages: Pages | None = None) -> Response:
        request = Request('GET', target, '1.1', Headers(), '192.0.2.7', False)
        return (pages or self.pages).response(request)

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
        self.assertEqual(404, self.get('/ticket.js', Pages([])).status)

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
