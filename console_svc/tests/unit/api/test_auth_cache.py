# SPDX-License-Identifier: Apache-2.0

import datetime
from typing import Any

import testtools
from oslo_utils import fixture as utils_fixture

from console_svc.api.middleware.auth_cache import CallerCache
from console_svc.context import RequestContext

NOW = datetime.datetime(2026, 7, 1, 12, 0, 0)
TOKEN = 'a-keystone-token'


def environ(token: str = TOKEN, **more: Any) -> dict[str, Any]:
    return {'HTTP_X_AUTH_TOKEN': token, **more}


def accepted(**fields: Any) -> dict[str, Any]:
    """A request that auth_token has accepted."""
    token = {
        'methods': ['password'],
        'user': {'id': 'joe'},
        'project': {'id': 'demo'},
        'roles': [{'name': 'member'}],
        'expires_at': '2026-07-01T13:00:00.000000Z',
        **fields,
    }
    return environ(**{'keystone.token_info': {'token': token}})


class CallerCacheTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = self.useFixture(utils_fixture.TimeFixture(NOW))
        self.callers = CallerCache(5)
        self.joe = RequestContext(
            user_id='joe', project_id='demo', roles=['member'], overwrite=False
        )

    def test_callers_are_kept_for_some_seconds(self) -> None:
        self.assertIsNone(self.callers.recall(environ()))
        self.callers.remember(accepted(), self.joe)
        self.clock.advance_time_seconds(4)
        found = self.callers.recall(environ())
        self.assertEqual(
            ('joe', 'demo', ['member']),
            (found.user_id, found.project_id, found.roles),
        )
        self.assertIsNot(self.joe, found)
        self.clock.advance_time_seconds(1)
        self.assertIsNone(self.callers.recall(environ()))

    def test_callers_are_not_kept_after_their_token_expires(self) -> None:
        self.callers.remember(
            accepted(expires_at='2026-07-01T12:00:02.000000Z'), self.joe
        )
        self.clock.advance_time_seconds(1)
        self.assertIsNotNone(self.callers.recall(environ()))
        self.clock.advance_time_seconds(1)
        self.assertIsNone(self.callers.recall(environ()))

    def test_other_tokens_have_no_caller(self) -> None:
        self.callers.remember(accepted(), self.joe)
        for other in ('', TOKEN[:-1], f'{TOKEN} ', TOKEN.upper(), 'ä'):
            self.assertIsNone(self.callers.recall(environ(other)))
        self.assertIsNone(self.callers.recall({}))

    def test_requests_with_a_service_token_are_not_cached(self) -> None:
        second = {'HTTP_X_SERVICE_TOKEN': 'another'}
        self.callers.remember({**accepted(), **second}, self.joe)
        self.assertIsNone(self.callers.recall(environ()))
        self.callers.remember(accepted(), self.joe)
        self.assertIsNone(self.callers.recall(environ(**second)))

    def test_restricted_tokens_are_not_cached(self) -> None:
        for field in (
            'application_credential',
            'bind',
            'oauth2_credential',
            'OS-TRUST:trust',
        ):
            self.callers.remember(accepted(**{field: {}}), self.joe)
            self.assertIsNone(self.callers.recall(environ()), field)

    def test_tokens_without_token_info_are_not_cached(self) -> None:
        self.callers.remember(environ(), self.joe)
        self.assertIsNone(self.callers.recall(environ()))

    def test_zero_seconds_turn_the_cache_off(self) -> None:
        callers = CallerCache(0)
        callers.remember(accepted(), self.joe)
        self.assertIsNone(callers.recall(environ()))
