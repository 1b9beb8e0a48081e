# SPDX-License-Identifier: Apache-2.0

"""Where a request has its console token."""

import testtools
from hypothesis import given
from hypothesis import strategies as st

from console_svc.proxy.tokens import takes_over, token_of
from console_svc.tests.unit.fuzz import SETTINGS, texts

#: Pairs of other applications. http.cookies drops all that follow some.
OTHERS = (
    'x={"a":1}',
    'prefs[a]=b',
    'name=J\xf6rg',
    'bare',
    '=',
    '',
    'x="a',
    'x="a\\"',
    'expires=Thu, 01 Jan 1970 00:00:00 GMT',
    '$Version=1',
    'Token=upper',
    'xtoken=x',
    'token_=x',
    'token',
    'token=',
    'token=a/../b',
    'token="a b"',
    'token=\xf6',
    f'token={"x" * 129}',
)

TEXTS = texts('token=;,"\\ %?&')


class TakeoverTest(testtools.TestCase):
    def test_page_asks_for_a_take_over_in_the_query(self) -> None:
        self.assertTrue(takes_over('/?token=x&takeover=1'))
        for target in (
            '/?token=x',
            '/?token=x&takeover=0',
            '/?token=x&takeover=',
            '/takeover=1?token=x',
            '/?token=takeover%3D1',
        ):
            self.assertFalse(takes_over(target), target)


class TokenTest(testtools.TestCase):
    def test_other_cookies_do_not_hide_the_token(self) -> None:
        for other in OTHERS:
            for lines in (
                [f'{other}; token=ours'],
                [f'token=ours; {other}'],
                [other, 'token=ours'],
                [f'{other};token="ours" ;{other}'],
            ):
                self.assertEqual('ours', token_of('/', lines), lines)
            self.assertIsNone(token_of('/', [other]), other)
        self.assertEqual(
            'ours', token_of('/', ['; '.join(OTHERS), 'token=ours'])
        )

    def test_the_first_well_formed_token_counts(self) -> None:
        for lines in (
            ['token=ours; token=other'],
            ['token=ours', 'token=other'],
            ['token=a/b; token=ours; token=other'],
        ):
            self.assertEqual('ours', token_of('/', lines), lines)
        for target in (
            '/?token=ours&token=other',
            '/?token=a/b&token=ours',
            '/?token=&path=%3Ftoken%3Dours',
            '/?path=x&path=%3Ftoken%3Da/b&path=%3Ftoken%3Dours',
            '/?%ff=%&x;&&token=ours',
        ):
            self.assertEqual('ours', token_of(target, ['token=x']), target)

    @SETTINGS
    @given(TEXTS, st.lists(TEXTS, max_size=5))
    def test_any_request_has_a_token_or_none(
        self, target: str, lines: list[str]
    ) -> None:
        token = token_of(target, lines)
        if token is not None:
            self.assertRegex(token, r'\A[A-Za-z0-9_-]{1,128}\Z')
