# SPDX-License-Identifier: Apache-2.0

"""Further connections of a client join its session."""

import json
from typing import Any

import testtools
import webob

from console_svc.tests import fixtures
from console_svc.tests.functional.test_console_gateway import GatewayApi

TOKENS = '/v2.1/os-console-auth-tokens'
ADDRESS = '198.51.100.7'


class JoinedSessionTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.api = self.useFixture(
            GatewayApi(
                consoleauth={'max_uses': 1, 'max_sessions_per_server': 1}
            )
        )
        self.token = self.api.issue('spice-direct')

    def send(
        self,
        token: str | None = None,
        persona: str = fixtures.SERVICE,
        **session: Any,
    ) -> webob.Response:
        return self.api.request(
            'POST',
            f'{TOKENS}/{token or self.token}/sessions',
            token=persona,
            body=json.dumps({'session': session}),
        )

    def check_refused(self, answer: webob.Response) -> None:
        self.assertEqual(409, answer.status_int)
        self.assertEqual(
            'Token has no open session from this address',
            answer.json['conflictingRequest']['message'],
        )

    def test_joining_is_not_another_use_or_session(self) -> None:
        opened = self.send(client_address=ADDRESS)
        self.assertEqual(201, opened.status_int)
        for _ in range(3):
            joined = self.send(client_address=ADDRESS, join=True)
            self.assertEqual(201, joined.status_int)
            self.assertEqual(opened.json, joined.json)
        listed = self.api.request(
            'GET', f'/v2.1/servers/{fixtures.SERVER}/console-sessions'
        )
        self.assertEqual(1, len(listed.json['console_sessions']))
        # False is the default.
        again = self.send(client_address=ADDRESS, join=False)
        self.assertEqual(409, again.status_int)
        self.assertIn('used', again.text)

    def test_connect_info_is_in_the_answer(self) -> None:
        self.send(client_address=ADDRESS)
        session = self.send(client_address=ADDRESS, join=True).json['session']
        self.assertEqual(
            ('192.0.2.10', 5902, 5903),
            tuple(session[name] for name in ('host', 'port', 'tls_port')),
        )

    def test_there_must_be_a_session_to_join(self) -> None:
        self.check_refused(self.send(client_address=ADDRESS, join=True))
        opened = self.send(client_address=ADDRESS).json['session']
        self.check_refused(self.send(client_address='192.0.2.1', join=True))
        self.check_refused(self.send(join=True))
        self.check_refused(
            self.send(
                self.api.issue('spice-direct'),
                client_address=ADDRESS,
                join=True,
            )
        )
        self.api.request(
            'DELETE',
            f'/v2.1/console-sessions/{opened["id"]}',
            token=fixtures.SERVICE,
        )
        self.check_refused(self.send(client_address=ADDRESS, join=True))

    def test_the_token_must_be_valid(self) -> None:
        self.send(client_address=ADDRESS)
        self.assertEqual(404, self.send('x' * 43, join=True).status_int)
        self.api.request(
            'DELETE',
            f'{TOKENS}/{self.token}',
            token=fixtures.ADMIN,
        )
        self.assertEqual(
            404, self.send(client_address=ADDRESS, join=True).status_int
        )

    def test_only_proxies_may_join(self) -> None:
        self.send(client_address=ADDRESS)
        answer = self.send(
            persona=fixtures.MEMBER, client_address=ADDRESS, join=True
        )
        self.assertEqual(403, answer.status_int)

    def test_other_values_are_a_400(self) -> None:
        for wrong in ('true', 1, None, []):
            self.assertEqual(400, self.send(join=wrong).status_int, wrong)
