# SPDX-License-Identifier: Apache-2.0

"""The refusals of users and projects that are at a limit."""

import fixtures as fixtures_
import testtools
import webob

from console_svc.objects import SESSIONS, UNUSED_TOKENS
from console_svc.tests import fixtures
from console_svc.tests.functional.test_console_gateway import GatewayApi

TOKENS = '/v2.1/os-console-auth-tokens'


class ProjectLimits:
    """One session, and one unused token."""

    def get(self, project_id: str, resource: str) -> int:
        return 1


class UnifiedApi(fixtures.Api):
    """With limits of projects, but without a keystone."""

    def _setUp(self) -> None:
        self.useFixture(
            fixtures_.MockPatch(
                'console_svc.services.Services.project_limits',
                ProjectLimits(),
            )
        )
        super()._setUp()


class LimitsTest(testtools.TestCase):
    def open(self, api: fixtures.Api, token: str) -> webob.Response:
        return api.request(
            'POST', f'{TOKENS}/{token}/sessions', fixtures.SERVICE
        )

    def check_over(
        self, answer: webob.Response, limit_of: str, message: str
    ) -> None:
        self.assertEqual(403, answer.status_int)
        self.assertEqual(
            {
                'forbidden': {
                    'code': 403,
                    'message': message,
                    'limit_of': limit_of,
                }
            },
            answer.json,
        )

    def test_sessions_of_a_user(self) -> None:
        api = self.useFixture(
            fixtures.Api(consoleauth={'max_sessions_per_user': 1})
        )
        opened = self.open(api, api.issue('novnc'))
        self.assertEqual(201, opened.status_int)
        token = api.issue('novnc')
        self.check_over(
            self.open(api, token),
            'user',
            'User is over the limit of 1 console sessions',
        )
        session_id = opened.json['session']['id']
        path = f'/v2.1/console-sessions/{session_id}'
        api.request('DELETE', path, fixtures.SERVICE)
        self.assertEqual(201, self.open(api, token).status_int)

    def test_sessions_of_native_clients(self) -> None:
        api = self.useFixture(
            GatewayApi(consoleauth={'max_sessions_per_user': 1})
        )
        console = api.open()
        for status in 201, 403:
            answer = api.log_in(console['password'], port=console['port'])
            self.assertEqual(status, answer.status_int)
        self.check_over(
            answer, 'user', 'User is over the limit of 1 console sessions'
        )

    def test_sessions_and_unused_tokens_of_a_project(self) -> None:
        api = self.useFixture(UnifiedApi())
        message = (
            'Project demo is over a limit for [Resource {} is over limit of '
            '1 due to current usage 1 and delta 1]'
        )
        token = api.issue('novnc')
        for version, path, body in (
            (
                '2.6',
                'remote-consoles',
                '{"remote_console": {"protocol": "vnc", "type": "novnc"}}',
            ),
            ('2.1', 'action', '{"os-getVNCConsole": {"type": "novnc"}}'),
        ):
            answer = api.request(
                'POST',
                f'/v2.1/servers/{fixtures.SERVER}/{path}',
                version=version,
                body=body,
            )
            self.check_over(answer, 'project', message.format(UNUSED_TOKENS))
        self.assertEqual(201, self.open(api, token).status_int)
        self.check_over(
            self.open(api, api.issue('novnc')),
            'project',
            message.format(SESSIONS),
        )
