# SPDX-License-Identifier: Apache-2.0

"""The limits of projects, in a real keystone."""

import contextlib
from collections.abc import Iterator
from typing import Any, ClassVar

import requests

from console_svc.objects import SESSIONS, UNUSED_TOKENS
from console_svc.tests import fixtures
from console_svc.tests.integration.base import TOKENS
from console_svc.tests.integration.keystone import PASSWORD, Keystone
from console_svc.tests.integration.service import uwsgi
from console_svc.tests.integration.test_keystone_away import (
    UnavailableTestCase,
)
from console_svc.tests.programs import process

REMOTE_CONSOLES = f'/v2.1/servers/{fixtures.SERVER}/remote-consoles'
WANTED = {'remote_console': {'protocol': 'vnc', 'type': 'novnc'}}
REGION = 'RegionOne'
NAME = 'console-svc'


class LimitsCase(UnavailableTestCase):
    """A service that reads the limits of projects from keystone."""

    CONSOLEAUTH: ClassVar[dict[str, object]] = {}

    @classmethod
    def setUpClass(cls) -> None:
        cls.keystone = keystone = process.shared(Keystone)
        service = keystone.api(
            'POST',
            '/services',
            json={'service': {'type': 'console', 'name': NAME}},
        )['service']['id']
        cls.addClassCleanup(keystone.api, 'DELETE', f'/services/{service}')
        cls.place = {'service_id': service, 'region_id': REGION}
        keystone.api(
            'POST',
            '/endpoints',
            json={
                'endpoint': {
                    **cls.place,
                    'interface': 'public',
                    'url': 'http://127.0.0.1/v2.1',
                }
            },
        )
        cls.let_read_limits(NAME)
        cls.OPTIONS = {
            'consoleauth': {
                'use_unified_limits': True,
                'unified_limits_cache_time': 0,
                **cls.CONSOLEAUTH,
            },
            'oslo_limit': {
                'auth_type': 'password',
                'auth_url': keystone.url,
                'username': NAME,
                'password': PASSWORD,
                'user_domain_id': 'default',
                'system_scope': 'all',
                'endpoint_service_name': NAME,
                'endpoint_region_name': REGION,
                'timeout': 2,
            },
        }
        super().setUpClass()

    @classmethod
    def let_read_limits(cls, user: str) -> None:
        """Give a user the role that may read the limits of all projects."""
        api = cls.keystone.api
        (found,) = api('GET', f'/users?name={user}')['users']
        (role,) = api('GET', '/roles?name=reader')['roles']
        path = f'/system/users/{found["id"]}/roles/{role["id"]}'
        api('PUT', path)
        cls.addClassCleanup(api, 'DELETE', path)

    @contextlib.contextmanager
    def limited(self, kind: str, limits: dict[str, int]) -> Iterator[None]:
        """Set limits: resource -> limit.

        :param kind: registered_limits, or limits of project demo
        """
        value, more = 'default_limit', {}
        if kind == 'limits':
            value = 'resource_limit'
            more = {'project_id': self.keystone.projects['demo']}
        created = self.keystone.api(
            'POST',
            f'/{kind}',
            json={
                kind: [
                    {
                        **self.place,
                        **more,
                        'resource_name': resource,
                        value: limit,
                    }
                    for resource, limit in limits.items()
                ]
            },
        )[kind]
        try:
            yield
        finally:
            for limit in created:
                self.keystone.api('DELETE', f'/{kind}/{limit["id"]}')


class LimitsTest(LimitsCase):
    def issue(self) -> requests.Response:
        return self.service.request(
            'POST', REMOTE_CONSOLES, self.member, '2.6', json=WANTED
        )

    def issued(self) -> str:
        """Return a new token."""
        answer = self.issue()
        self.assertEqual(200, answer.status_code, answer.text)
        url: str = answer.json()['remote_console']['url']
        return url.rpartition('token%3D')[2]

    def open(self, token: str) -> requests.Response:
        return self.service.request(
            'POST', f'{TOKENS}/{token}/sessions', self.proxy
        )

    def opened(self) -> str:
        """Open a session by a new token; return its id."""
        answer = self.open(self.issued())
        self.assertEqual(201, answer.status_code, answer.text)
        session_id = answer.json()['session']['id']
        self.addCleanup(self.close, session_id)
        return str(session_id)

    def close(self, session_id: str) -> None:
        self.service.request(
            'DELETE', f'/v2.1/console-sessions/{session_id}', self.proxy
        )

    def check_over(
        self, answer: requests.Response, resource: str, limit: int, usage: int
    ) -> None:
        """Check that a request was refused with oslo.limit's message."""
        self.assertEqual(403, answer.status_code, answer.text)
        message = (
            f'Project {self.keystone.projects["demo"]} is over a limit for '
            f'[Resource {resource} is over limit of {limit} due to current '
            f'usage {usage} and delta 1]'
        )
        fault: dict[str, Any] = {
            'code': 403,
            'message': message,
            'limit_of': 'project',
        }
        self.assertEqual({'forbidden': fault}, answer.json())
        self.check_headers(answer, answer.headers['OpenStack-API-Version'][8:])

    def test_sessions_of_a_project(self) -> None:
        with self.limited(
            'registered_limits', {SESSIONS: 1, UNUSED_TOKENS: -1}
        ):
            first = self.opened()
            token = self.issued()
            self.check_over(self.open(token), SESSIONS, 1, 1)
            with self.limited('limits', {SESSIONS: 2}):
                second = self.opened()
                self.check_over(self.open(token), SESSIONS, 2, 2)
                self.close(second)
                self.opened()
            self.close(first)
            self.check_over(self.open(token), SESSIONS, 1, 1)

    def test_unused_tokens_of_a_project(self) -> None:
        with self.limited(
            'registered_limits', {SESSIONS: -1, UNUSED_TOKENS: 0}
        ):
            refused = self.issue()
            usage = int(refused.json()['forbidden']['message'].split()[-4])
            self.check_over(refused, UNUSED_TOKENS, 0, usage)
            with self.limited('limits', {UNUSED_TOKENS: usage + 1}):
                token = self.issued()
                self.check_over(
                    self.issue(), UNUSED_TOKENS, usage + 1, usage + 1
                )
                answer = self.open(token)
                self.assertEqual(201, answer.status_code)
                self.close(answer.json()['session']['id'])
                self.issued()

    def test_a_project_has_none_of_what_is_not_registered(self) -> None:
        self.assertEqual(403, self.issue().status_code)

    def test_keystone_is_stopped(self) -> None:
        with self.limited(
            'registered_limits', {SESSIONS: -1, UNUSED_TOKENS: -1}
        ):
            self.cache(self.member)
            self.issued()
            with self.keystone.away():
                self.check_unavailable(self.issue(), '2.6')
            self.issued()

    def test_keystone_hangs(self) -> None:
        with self.limited(
            'registered_limits', {SESSIONS: -1, UNUSED_TOKENS: -1}
        ):
            self.cache(self.member)
            with self.keystone.hanging():
                self.check_unavailable(self.issue(), '2.6')
            self.service.process.wait_for(
                lambda: self.issue().status_code == 200, 'keystone'
            )

    def test_a_credential_that_may_not_read_limits(self) -> None:
        options = type(self).OPTIONS['oslo_limit']
        self.addCleanup(options.update, **options)
        options['password'] = 'another-one'
        service = self.start(uwsgi)
        answer = service.request(
            'POST', REMOTE_CONSOLES, self.member, '2.6', json=WANTED
        )
        self.check_unavailable(answer, '2.6')
        self.assertIn('cannot be read from keystone', service.log.read_text())
