# SPDX-License-Identifier: Apache-2.0

"""Policy and authentication with a real keystone."""

import uuid

import requests

from console_svc.tests import fixtures
from console_svc.tests.integration.base import CONSOLES, TOKENS, KeystoneTest


class PersonasTest(KeystoneTest):
    def personas(self) -> tuple[str, ...]:
        """Return the tokens, in the order of the statuses in the tests."""
        return (
            self.admin,
            self.member,
            self.reader,
            self.stranger,
            self.proxy,
        )

    def statuses(
        self, method: str, path: str, version: str | None = None
    ) -> list[int]:
        return [
            self.service.request(method, path, token, version).status_code
            for token in self.personas()
        ]

    def consoles(self) -> list[str]:
        """Return the paths of all consoles."""
        listed = self.get(self.admin).json()['consoles']
        return [f'{CONSOLES}/{item["console"]["id"]}' for item in listed]

    def console(self) -> str:
        """Ensure that there is a console; return its path."""
        self.service.request('POST', CONSOLES, self.member)
        (path,) = self.consoles()
        return path

    def delete_consoles(self) -> None:
        for path in self.consoles():
            self.service.request('DELETE', path, self.admin)

    def test_who_may_list_consoles(self) -> None:
        self.console()
        self.assertEqual(
            [200, 200, 200, 404, 404], self.statuses('GET', CONSOLES)
        )

    def test_who_may_create_a_console(self) -> None:
        outcomes = []
        for token in self.personas():
            self.delete_consoles()
            answer = self.service.request('POST', CONSOLES, token)
            outcomes.append((answer.status_code, len(self.consoles())))
        self.assertEqual(
            [(200, 1), (200, 1), (403, 0), (404, 0), (404, 0)], outcomes
        )

    def test_who_may_show_a_console(self) -> None:
        path = self.console()
        self.assertEqual([200, 200, 403, 404, 404], self.statuses('GET', path))
        shown = self.service.request('GET', path, self.member).json()
        self.assertEqual(8, len(shown['console']['password']))

    def test_who_may_delete_a_console(self) -> None:
        outcomes = []
        for token in self.personas():
            answer = self.service.request('DELETE', self.console(), token)
            outcomes.append((answer.status_code, len(self.consoles())))
        self.assertEqual(
            [(202, 0), (202, 0), (403, 1), (404, 1), (404, 1)], outcomes
        )

    def test_members_list_consoles_of_their_own_servers(self) -> None:
        path = f'/v2.1/servers/{fixtures.OTHERS}/consoles'
        self.assertEqual([200, 404, 404, 200, 404], self.statuses('GET', path))

    def test_messages_of_refusals(self) -> None:
        refused = self.service.request('POST', CONSOLES, self.reader)
        self.assertEqual(403, refused.json()['forbidden']['code'])
        hidden = self.service.request('POST', CONSOLES, self.stranger)
        self.assertEqual(
            f'Instance {fixtures.SERVER} could not be found.',
            hidden.json()['itemNotFound']['message'],
        )
        for answer in (refused, hidden):
            self.check_headers(answer)

    def test_who_may_look_up_a_token(self) -> None:
        path = f'{TOKENS}/{self.service.issue()}'
        self.assertEqual(
            [200, 403, 403, 403, 200],
            self.statuses('GET', path, version='2.31'),
        )
        found = self.service.request('GET', path, self.proxy, '2.31').json()
        self.assertEqual(
            {
                'instance_uuid': fixtures.SERVER,
                'host': '192.0.2.10',
                'port': 5901,
                'internal_access_path': None,
            },
            found['console'],
        )

    def test_a_token_from_issue_to_revocation(self) -> None:
        answer = self.service.request(
            'POST',
            f'/v2.1/servers/{fixtures.SERVER}/remote-consoles',
            self.member,
            '2.6',
            json={'remote_console': {'protocol': 'vnc', 'type': 'novnc'}},
        )
        token = answer.json()['remote_console']['url'].rpartition('%3D')[2]
        session = self.service.request(
            'POST',
            f'{TOKENS}/{token}/sessions',
            self.proxy,
            json={'session': {'client_address': '198.51.100.7'}},
        )
        self.assertEqual(201, session.status_code)
        listed = self.service.request(
            'GET',
            f'/v2.1/servers/{fixtures.SERVER}/console-sessions',
            self.reader,
        ).json()
        self.assertIn(
            session.json()['session']['id'],
            [item['id'] for item in listed['console_sessions']],
        )
        revoked = self.service.request(
            'DELETE', f'{TOKENS}/{token}', self.member
        )
        self.assertEqual(204, revoked.status_code)
        kept = self.service.request(
            'PUT',
            '/v2.1/console-sessions',
            self.proxy,
            json={
                'console_sessions': {'ids': [session.json()['session']['id']]}
            },
        )
        self.assertEqual([], kept.json()['console_sessions'])

    def test_paths_with_a_project_id(self) -> None:
        for token, project, status in (
            (self.member, 'demo', 200),
            (self.member, 'other', 404),
            (self.stranger, 'demo', 404),
            (self.stranger, 'other', 404),
            (self.admin, 'demo', 200),
        ):
            answer = self.service.request(
                'GET',
                f'/v2.1/{self.keystone.projects[project]}/servers/'
                f'{fixtures.SERVER}/consoles',
                token,
            )
            self.assertEqual(status, answer.status_code)

    def test_tokens_without_a_project(self) -> None:
        """Even administrators need a token for a project."""
        tokens = (
            self.keystone.scoped_token(),
            self.keystone.scoped_token('member'),
            self.keystone.scoped_token(system_scope='all'),
            self.keystone.scoped_token(domain_id='default'),
        )
        for method, path in (
            ('GET', CONSOLES),
            ('POST', CONSOLES),
            ('GET', f'{TOKENS}/{self.service.issue()}'),
            ('DELETE', f'{TOKENS}/{self.service.issue()}'),
        ):
            for token in tokens:
                answer = self.service.request(method, path, token, '2.99')
                self.assertEqual(403, answer.status_code, answer.text)
        unscoped = self.get(tokens[1])
        self.assertEqual(
            'The token has no scope. Use a token for a project.',
            unscoped.json()['forbidden']['message'],
        )

    def test_request_ids_are_in_the_log(self) -> None:
        answer = self.get(self.member)
        token = self.service.issue()
        self.service.request('GET', f'{TOKENS}/{token}', self.proxy, '2.31')
        log = self.service.log.read_text()
        self.assertIn(answer.headers['X-OpenStack-Request-Id'], log)
        self.assertIn(f'"GET {TOKENS}/***" status: 200', log)


class TokensTest(KeystoneTest):
    """Authentication, with debug messages in the log."""

    OPTIONS = {'DEFAULT': {'debug': 'true'}}

    def unauthenticated(
        self, answer: requests.Response, version: str = '2.1'
    ) -> None:
        self.assertEqual(401, answer.status_code)
        self.assertEqual(
            f'Keystone uri="{self.keystone.url}"',
            answer.headers['WWW-Authenticate'],
        )
        self.assertEqual(401, answer.json()['error']['code'])
        self.check_headers(answer, version)

    def test_no_token(self) -> None:
        self.unauthenticated(self.get(None))

    def test_an_invalid_token(self) -> None:
        self.unauthenticated(self.get('this-is-invalid'))

    def test_an_expired_token(self) -> None:
        token = self.keystone.expired_token('member', 'demo')
        self.unauthenticated(self.get(token))

    def test_a_revoked_token(self) -> None:
        token = self.keystone.revoked_token('member', 'demo')
        self.unauthenticated(self.get(token))

    def test_authentication_precedes_the_microversion(self) -> None:
        self.unauthenticated(self.get(None, version='2.999'), '2.999')

    def test_forged_identity_headers_without_a_token(self) -> None:
        forged = {
            'X-Identity-Status': 'Confirmed',
            'X-Roles': 'admin',
            'X-User-Id': 'admin',
        }
        self.unauthenticated(self.get(None, headers=forged))

    def test_forged_roles_with_a_token(self) -> None:
        forged = {'X-Roles': 'admin', 'X-Project-Id': 'demo'}
        # Several times, because each process caches callers.
        for _ in range(6):
            answer = self.get(self.stranger, headers=forged)
            self.assertEqual(404, answer.status_code)

    def test_version_documents_need_no_token(self) -> None:
        for path in ('/', '/v2.1', '/v2.1/'):
            answer = self.service.request('GET', path)
            self.assertEqual(200, answer.status_code)

    def test_every_401_has_www_authenticate(self) -> None:
        path = f'{TOKENS}/{self.service.issue()}'
        for _ in range(6):
            answer = self.service.request('GET', path, self.admin)
            self.assertEqual(401, answer.status_code)
            self.assertEqual(
                'The requested console type details are not accessible',
                answer.json()['unauthorized']['message'],
            )
            self.assertEqual(
                f'Keystone uri="{self.keystone.url}"',
                answer.headers['WWW-Authenticate'],
            )
            self.check_headers(answer)

    def test_request_ids_are_unique(self) -> None:
        ids = [
            self.get(self.member).headers['X-OpenStack-Request-Id']
            for _ in range(6)
        ]
        self.assertEqual(6, len(set(ids)))
        log = self.service.log.read_text()
        for request_id in ids:
            self.assertIn(f'[None {request_id} ', log)

    def test_request_ids_are_in_every_log(self) -> None:
        chosen = f'req-{uuid.uuid4()}'
        self.get('invalid', headers={'X-OpenStack-Request-ID': chosen})
        self.service.request(
            'POST',
            CONSOLES,
            self.member,
            headers={'X-OpenStack-Request-ID': chosen},
            data='{',
        )
        own = self.get('void').headers['X-OpenStack-Request-Id']
        keystone = (self.keystone.folder / 'keystone.log').read_text()
        for request_id in (chosen, own):
            self.assertIn(request_id, keystone)
        log = self.service.log.read_text()
        # Lines from before authentication, and about a bad request.
        for text in (
            'Authorization failed for token',
            '"GET /v2.1',
            'The request was refused',
        ):
            self.assertRegex(log, rf'\[{chosen} req-.*{text}')

    def test_access_rules_apply_to_each_request(self) -> None:
        self.addCleanup(self.keystone.add_compute(self.service.url))
        # This credential may list consoles only.
        token = self.keystone.restricted_token(('GET', CONSOLES))
        for _ in range(6):
            self.assertEqual(200, self.get(token).status_code)
            self.unauthenticated(self.service.request('POST', CONSOLES, token))

    def test_a_service_token_makes_an_expired_token_valid(self) -> None:
        expired = self.keystone.expired_token('member', 'demo')
        answer = self.get(expired, headers={'X-Service-Token': self.proxy})
        self.assertEqual(200, answer.status_code)
        # Afterwards, each process must refuse it without a service token.
        before = self.service.log.stat().st_size

        def both_refuse() -> bool:
            self.unauthenticated(self.get(expired))
            refused = f'GET {CONSOLES}'
            return len(self.service.processes(refused, 401, before)) == 2

        self.service.process.wait_for(both_refuse, 'both processes')

    def test_a_service_token_needs_the_service_role(self) -> None:
        expired = self.keystone.expired_token('member', 'demo')
        for token in (self.stranger, self.admin, expired, 'invalid'):
            answer = self.get(expired, headers={'X-Service-Token': token})
            self.unauthenticated(answer)

    def test_an_invalid_service_token_is_refused(self) -> None:
        # The request is refused although the user's token is valid.
        for token in (self.stranger, 'invalid'):
            answer = self.get(self.member, headers={'X-Service-Token': token})
            self.unauthenticated(answer)

    def test_a_service_token_does_not_make_an_invalid_token_valid(
        self,
    ) -> None:
        answer = self.get('invalid', headers={'X-Service-Token': self.proxy})
        self.unauthenticated(answer)
