# SPDX-License-Identifier: Apache-2.0

"""Sessions that must be recorded: by the terms of a token, or by policy."""

import json
from typing import Any

import sqlalchemy as sa
import testtools
import webob

from console_svc.api import app
from console_svc.db import tables
from console_svc.tests import fixtures, recordings

SERVER = f'/v2.1/servers/{fixtures.SERVER}'
TOKENS = '/v2.1/os-console-auth-tokens'
RULE = 'console_svc:console-recordings:record'


class Case(testtools.TestCase):
    OPTIONS: dict[str, dict[str, Any]] = {}

    def setUp(self) -> None:
        super().setUp()
        self.api = self.useFixture(fixtures.Api(**self.OPTIONS))

    def issue(self, console_type: str = 'novnc', **terms: Any) -> Any:
        """The answer to a request for a token with terms."""
        wanted = {'type': console_type, **terms}
        return self.api.request(
            'POST',
            f'{SERVER}/console-auth-tokens',
            body=json.dumps({'console_auth_token': wanted}),
        )

    def url(self, console_type: str, protocol: str) -> webob.Response:
        """The answer to a request of the compute API for a URL."""
        wanted = {'protocol': protocol, 'type': console_type}
        return self.api.request(
            'POST',
            f'{SERVER}/remote-consoles',
            version='2.99',
            body=json.dumps({'remote_console': wanted}),
        )

    def open(self, token: str, **session: Any) -> dict[str, Any]:
        answer = self.api.request(
            'POST',
            f'{TOKENS}/{token}/sessions',
            token=fixtures.SERVICE,
            body=json.dumps({'session': session}),
        )
        self.assertEqual(201, answer.status_int, answer.text)
        opened: dict[str, Any] = answer.json['session']
        return opened

    def use_rule(self, rule: str) -> None:
        self.api.policy.write_text(f'"{RULE}": "{rule}"\n')
        self.api.app = app.build(self.api.conf)

    def all_must_be(self, recorded: bool) -> None:
        """Check what is stored of tokens and sessions."""
        for table in tables.console_auth_tokens, tables.console_sessions:
            with self.api.database.engine.connect() as connection:
                found = connection.scalars(sa.select(table.c.record)).all()
            self.assertEqual({recorded}, {*found}, table.name)


class TermsTest(Case):
    OPTIONS = {'consoleauth': {'resume_time': 60, 'max_uses': 1}}

    def test_sessions_of_the_token_must_be_recorded(self) -> None:
        for console_type in 'novnc', 'serial':
            issued = self.issue(console_type, record=True).json
            token = issued['console_auth_token']
            self.assertIs(True, token['record'])
            self.assertIs(True, self.open(token['token'])['record'])
        self.all_must_be(True)

    def test_repeated_and_resumed_sessions_must_be_recorded(self) -> None:
        token = self.issue(record=True).json['console_auth_token']['token']
        first = {
            'id': fixtures.UNKNOWN,
            'secret': 'a' * 43,
            'client_address': '198.51.100.7',
        }
        for _ in range(2):
            self.assertIs(True, self.open(token, **first)['record'])
        second = {
            'secret': 'b' * 43,
            'previous_secret': 'a' * 43,
            'client_address': '198.51.100.7',
        }
        resumed = self.open(token, **second)
        self.assertEqual(fixtures.UNKNOWN, resumed['previous_id'])
        self.assertIs(True, resumed['record'])

    def test_other_sessions_need_not(self) -> None:
        for terms in {}, {'record': False}:
            issued = self.issue(**terms).json['console_auth_token']
            self.assertIs(False, issued['record'])
            self.assertIs(False, self.open(issued['token'])['record'])
        self.assertIs(False, self.open(self.api.issue('novnc'))['record'])
        self.all_must_be(False)

    def test_token_cannot_be_looked_up(self) -> None:
        token = self.issue(record=True).json['console_auth_token']['token']
        answer = self.api.request(
            'GET', f'{TOKENS}/{token}', token=fixtures.SERVICE, version='2.31'
        )
        self.assertEqual(404, answer.status_int)

    def test_types_that_cannot_be_recorded_are_refused(self) -> None:
        for console_type in 'spice-direct', 'rdp-html5':
            answer = self.issue(console_type, record=True)
            self.assertEqual(400, answer.status_int)
            self.assertIn(
                f'those of type {console_type} cannot be.',
                answer.json['badRequest']['message'],
            )


class PolicyTest(Case):
    OPTIONS = {
        'consoles': {
            'mode': 'gateway',
            'port_range': '5901-5901',
            'public_hostname': 'gateway.test',
        }
    }

    def log_in(self) -> dict[str, Any]:
        """Open a native console, and a session on it."""
        consoles = f'{SERVER}/consoles'
        self.api.request('POST', consoles)
        shown = self.api.request('GET', f'{consoles}/1').json['console']
        asked = fixtures.authentication(shown['password'], port=5901)
        answer = self.api.request(
            'POST',
            '/v2.1/console-gateway/authentications',
            token=fixtures.SERVICE,
            body=json.dumps(asked),
        )
        self.assertEqual(201, answer.status_int, answer.text)
        opened: dict[str, Any] = answer.json['session']
        return opened

    def test_all_that_a_user_opens_must_be_recorded(self) -> None:
        self.use_rule('role:member')
        for token in (
            self.api.issue('novnc'),
            self.issue('serial').json['console_auth_token']['token'],
        ):
            self.assertIs(True, self.open(token)['record'])
        self.assertIs(True, self.log_in()['record'])
        self.all_must_be(True)

    def test_sessions_of_other_users_need_not(self) -> None:
        self.use_rule('role:intern')
        self.assertIs(False, self.open(self.api.issue('novnc'))['record'])
        self.assertIs(False, self.log_in()['record'])
        self.all_must_be(False)

    def test_types_that_cannot_be_recorded_are_refused(self) -> None:
        self.use_rule('role:member')
        for answer in (
            self.url('spice-direct', 'spice'),
            self.url('rdp-html5', 'rdp'),
            self.issue('spice-direct'),
        ):
            self.assertEqual(400, answer.status_int)
            self.assertIn(
                'must be recorded', answer.json['badRequest']['message']
            )
        self.use_rule('!')
        answer = self.url('spice-direct', 'spice')
        self.assertEqual(200, answer.status_int)


class ListsTest(Case):
    def listed(self, query: str = '') -> dict[str, str | None]:
        """Session id -> recording id."""
        found = {}
        for path, token in (
            (f'{SERVER}/console-sessions', fixtures.MEMBER),
            ('/v2.1/console-sessions', fixtures.ADMIN),
        ):
            answer = self.api.request('GET', f'{path}{query}', token=token)
            found = {
                it['id']: it['recording_id']
                for it in answer.json['console_sessions']
            }
        return found

    def test_sessions_have_the_id_of_their_recording(self) -> None:
        opened = [self.open(self.api.issue('novnc'))['id'] for _ in range(2)]
        recording_id = recordings.add(self.api, session_id=opened[0])
        expected = {opened[0]: recording_id, opened[1]: None}
        self.assertEqual(expected, self.listed())
        for session_id in opened:
            path = f'{SERVER}/console-sessions/{session_id}'
            self.api.request('DELETE', path)
        self.assertEqual(expected, self.listed('?status=ended'))
