# SPDX-License-Identifier: Apache-2.0

from urllib import parse

import testtools
from hypothesis import given, settings
from hypothesis import strategies as st

from console_svc.consoles import access_url
from console_svc.tests import fixtures

TOKEN = 'a-Token_43'

_NAMES = st.text('abcdefgh', min_size=1, max_size=5)
_VALUES = st.text('abc &=?#%+/é', min_size=1, max_size=8)


class AccessUrlTest(testtools.TestCase):
    """Expected URLs are those of nova, where nova's are valid."""

    def build(self, console_type: str, base: str | None = None) -> str:
        group, option = access_url._OPTIONS[console_type]
        options = {group: {option: base}} if base else {}
        configuration = self.useFixture(fixtures.Configuration(**options))
        return access_url.build(configuration.conf, console_type, TOKEN)

    def test_default_urls(self) -> None:
        for console_type, url in {
            'novnc': 'http://127.0.0.1:6080/vnc_auto.html'
            '?path=%3Ftoken%3Da-Token_43',
            'xvpvnc': 'http://127.0.0.1:6081/console?token=a-Token_43',
            'spice-html5': 'http://127.0.0.1:6082/spice_auto.html'
            '?token=a-Token_43',
            'spice-direct': 'http://127.0.0.1:13002/nova?token=a-Token_43',
            'serial': 'ws://127.0.0.1:6083/?token=a-Token_43',
            'rdp-html5': 'http://127.0.0.1:6083/?token=a-Token_43',
            'webmks': 'http://127.0.0.1:6090/?token=a-Token_43',
        }.items():
            self.assertEqual(url, self.build(console_type))

    def test_novnc_token_goes_into_the_parameter_path(self) -> None:
        for base, url in {
            'https://h/vnc_lite.html?path=websockify&x=1': 'https://h/'
            'vnc_lite.html?path=websockify%3Ftoken%3Da-Token_43&x=1',
            'https://h/vnc_lite.html?token': 'https://h/vnc_lite.html'
            '?path=%3Ftoken%3Da-Token_43',
            'https://h/v?path=a%3Fb%3Dc%26d%3De+f&x=1&x=2#frag': 'https://h/v'
            '?path=a%3Fb%3Dc%26d%3De+f%3Ftoken%3Da-Token_43&x=1&x=2#frag',
        }.items():
            self.assertEqual(url, self.build('novnc', base))

    def test_other_tokens_are_added_to_the_query(self) -> None:
        for base, url in {
            'ws://h:1/?path=p&x=1': 'ws://h:1/?path=p&x=1&token=a-Token_43',
            'ws://h/s?x=1#frag': 'ws://h/s?x=1&token=a-Token_43#frag',
            'ws://h': 'ws://h/?token=a-Token_43',
        }.items():
            self.assertEqual(url, self.build('serial', base))

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.tuples(_NAMES, _VALUES), max_size=4), _VALUES)
    def test_query_and_fragment_of_the_base_url_are_kept(
        self, query: list[tuple[str, str]], fragment: str
    ) -> None:
        base = parse.urlunsplit(
            (
                'https',
                'h',
                '/p',
                parse.urlencode(query),
                parse.quote(fragment),
            )
        )
        for build in (access_url._with_token, access_url._with_path_token):
            parts = parse.urlsplit(build(base, TOKEN))
            got = parse.parse_qsl(parts.query)
            self.assertEqual(parse.quote(fragment), parts.fragment)
            for pair in query:
                self.assertIn(pair, got)
            self.assertEqual(
                1, sum(TOKEN in value for _, value in got), parts.query
            )
