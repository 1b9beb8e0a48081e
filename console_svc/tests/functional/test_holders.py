# SPDX-License-Identifier: Apache-2.0

"""Who gets to know the other users of a console."""

import json
from typing import Any

import testtools
import webob

from console_svc.consoles.token_text import hash_of
from console_svc.tests import fixtures

TOKENS = '/v2.1/os-console-auth-tokens'
SERVER = f'/v2.1/servers/{fixtures.SERVER}'
ADDRESS = '198.51.100.7'
#: Only administrators may list sessions.
ADMINS_ALONE = '"console_svc:sessions:index": "role:admin"'
PROXY = '1d8f3c52-7a90-4e6b-8c14-5f2e9b7a3d60'


class Case(testtools.TestCase):
    def start(self, **options: Any) -> None:
        self.api = self.useFixture(fixtures.Api(**options))

    def issue(
        self, mode: str = 'control', token: str = fixtures.MEMBER
    ) -> str:
        """A console token with terms."""
        body = {'console_auth_token': {'type': 'novnc', 'mode': mode}}
        answer = self.api.request(
            'POST',
            f'{SERVER}/console-auth-tokens',
            token=token,
            body=json.dumps(body),
        )
        issued: str = answer.json['console_auth_token']['token']
        return issued

    def open(self, token: str) -> webob.Response:
        return self.api.request(
            'POST',
            f'{TOKENS}/{token}/sessions',
            token=fixtures.SERVICE,
            body=json.dumps({'session': {'client_address': ADDRESS}}),
        )


class HoldersTest(Case):
    def start(self, **options: Any) -> None:
        full = {'max_sessions_per_server': 1}
        super().start(consoleauth=full, **options)

    def refusal(self, token: str) -> dict[str, Any]:
        answer = self.open(token)
        self.assertEqual(409, answer.status_int, answer.text)
        fault: dict[str, Any] = answer.json['conflictingRequest']
        self.assertIn('has too many console sessions', fault.pop('message'))
        del fault['code']
        return fault

    def test_users_who_may_list_sessions_get_to_know_the_holder(self) -> None:
        self.start()
        session = self.open(self.issue()).json['session']
        holder = {
            'user_id': session['user_id'],
            'client_address': ADDRESS,
            'created_at': session['created_at'],
            'mode': 'control',
        }
        for token in (
            self.api.issue('serial'),
            self.issue('view'),
            self.issue(token=fixtures.ADMIN),
        ):
            self.assertEqual({'holders': [holder]}, self.refusal(token))

    def test_other_users_do_not(self) -> None:
        self.start()
        self.api.policy.write_text(ADMINS_ALONE)
        self.open(self.api.issue('novnc'))
        for token in self.api.issue('serial'), self.issue('view'):
            self.assertEqual({}, self.refusal(token))
        token = self.issue(token=fixtures.ADMIN)
        self.assertIn('holders', self.refusal(token))

    def test_policy_is_that_of_the_time_of_issue(self) -> None:
        self.start()
        self.open(self.api.issue('novnc'))
        token = self.api.issue('novnc')
        self.api.policy.write_text(ADMINS_ALONE)
        self.assertIn('holders', self.refusal(token))
        self.assertEqual({}, self.refusal(self.api.issue('novnc')))

    def test_nothing_is_decided_without_extensions(self) -> None:
        self.start(api={'extensions': False})
        token = self.api.issue('novnc')
        stored = self.api.database.tokens.get(hash_of(token), 0)
        assert stored is not None
        self.assertFalse(stored.lists_sessions)


class OthersTest(Case):
    """The other sessions in the answer to a keep-alive."""

    def keep(self, *ids: str, others: bool = True) -> dict[str, Any]:
        """The process in the answer to its keep-alive."""
        wanted = {'ids': [*ids], 'proxy_id': PROXY, 'others': others}
        answer = self.api.request(
            'PUT',
            '/v2.1/console-sessions',
            token=fixtures.SERVICE,
            body=json.dumps({'console_sessions': wanted}),
        )
        self.assertEqual(200, answer.status_int, answer.text)
        process: dict[str, Any] = answer.json['console_proxy']
        return process

    def opened(self, token: str) -> dict[str, Any]:
        session: dict[str, Any] = self.open(token).json['session']
        return session

    def test_users_who_may_list_sessions_get_to_know_the_others(self) -> None:
        self.start()
        self.api.policy.write_text(ADMINS_ALONE)
        admin = self.opened(self.issue(token=fixtures.ADMIN))
        viewer = self.opened(self.issue('view'))
        process = self.keep(admin['id'], viewer['id'])
        members = 'user_id', 'client_address', 'created_at', 'mode'
        self.assertEqual(
            {
                admin['id']: {
                    'control': 0,
                    'view': 1,
                    'sessions': [{it: viewer[it] for it in members}],
                },
                viewer['id']: {'control': 1, 'view': 0, 'sessions': []},
            },
            process['others'],
        )

    def test_only_processes_that_ask_get_to_know_them(self) -> None:
        self.start()
        for _ in range(2):
            session = self.opened(self.api.issue('novnc'))
            process = self.keep(session['id'], others=False)
            self.assertNotIn('others', process)
        self.assertEqual(1, process['others_changes'])

    def test_other_consoles_of_the_server_do_not_count(self) -> None:
        self.start()
        session = self.opened(self.api.issue('novnc'))
        self.opened(self.api.issue('serial'))
        self.assertEqual({}, self.keep(session['id'])['others'])
