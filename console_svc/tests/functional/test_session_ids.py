# SPDX-License-Identifier: Apache-2.0

"""Ids of sessions that the proxy chooses."""

import json
from typing import Any

import testtools
import webob

from console_svc.tests import fixtures
from console_svc.tests.functional.test_console_gateway import GatewayApi

TOKENS = '/v2.1/os-console-auth-tokens'
ID = 'c4a6f0d2-83b1-4f7e-9d25-6b0e1a7f5c38'


class SessionIdTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.api = self.useFixture(GatewayApi(consoleauth={'max_uses': 1}))

    def open(
        self, token: str, session_id: Any = ID, persona: str = fixtures.SERVICE
    ) -> webob.Response:
        return self.api.request(
            'POST',
            f'{TOKENS}/{token}/sessions',
            token=persona,
            body=json.dumps({'session': {'id': session_id}}),
        )

    def close(self, persona: str = fixtures.SERVICE) -> int:
        return self.api.request(
            'DELETE', f'/v2.1/console-sessions/{ID}', token=persona
        ).status_int

    def test_repeated_request_gets_the_same_response(self) -> None:
        token = self.api.issue('novnc')
        first = self.open(token)
        self.assertEqual(201, first.status_int)
        self.assertEqual(ID, first.json['session']['id'])
        second = self.open(token)
        self.assertEqual(201, second.status_int)
        self.assertEqual(first.json, second.json)

    def test_id_of_another_token_is_a_409(self) -> None:
        self.open(self.api.issue('novnc'))
        answer = self.open(self.api.issue('novnc'))
        self.assertEqual(409, answer.status_int)
        self.assertEqual(
            f'Session id was used before: {ID}',
            answer.json['conflictingRequest']['message'],
        )

    def test_session_closed_before_it_is_opened_is_a_409(self) -> None:
        token = self.api.issue('novnc')
        self.assertEqual(404, self.close())
        self.assertEqual(409, self.open(token).status_int)
        # The token was not used.
        self.assertEqual(201, self.open(token, fixtures.UNKNOWN).status_int)

    def test_callers_without_the_role_cannot_take_an_id(self) -> None:
        token = self.api.issue('novnc')
        for persona in fixtures.MEMBER, fixtures.STRANGER:
            self.assertEqual(403, self.close(persona))
            self.assertEqual(403, self.open(token, persona=persona).status_int)
        self.assertEqual(201, self.open(token).status_int)

    def test_ids_in_other_forms_are_a_400(self) -> None:
        token = self.api.issue('novnc')
        for wrong in (
            ID.upper(),
            ID.replace('-', ''),
            f'{{{ID}}}',
            f'{ID}}}',
            f'{ID}\n',
            f'{ID[:-1]}\u0663',
            '',
            'x',
            None,
            1,
        ):
            self.assertEqual(400, self.open(token, wrong).status_int, wrong)

    def test_repeated_log_in_gets_the_same_session(self) -> None:
        password = self.api.open()['password']
        target = {'user_name': fixtures.SERVER, 'id': ID}
        first = self.api.log_in(password, **target)
        self.assertEqual(201, first.status_int)
        self.assertEqual(ID, first.json['session']['id'])
        self.assertEqual(first.json, self.api.log_in(password, **target).json)

    def test_log_in_closed_before_it_is_opened_is_a_409(self) -> None:
        password = self.api.open()['password']
        self.assertEqual(404, self.close())
        target = {'user_name': fixtures.SERVER, 'id': ID}
        self.assertEqual(409, self.api.log_in(password, **target).status_int)
