# SPDX-License-Identifier: Apache-2.0

"""Logs, unavailable parts, and the configurable middleware."""

import logging
from unittest import mock

import fixtures as fixtures_
import sqlalchemy as sa
import testtools
import webob

from console_svc.consoles.servers import Servers
from console_svc.db import migration
from console_svc.tests import fixtures

CONSOLES = f'/v2.1/servers/{fixtures.SERVER}/consoles'


class OperationTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures_.FakeLogger(level=logging.DEBUG))

    def api(self, **options) -> fixtures.Api:
        return self.useFixture(fixtures.Api(**options))

    def unavailable(self, answer: webob.Response) -> None:
        """Check that a response is a 503 with Retry-After."""
        self.assertEqual(503, answer.status_int, answer.text)
        self.assertEqual('5', answer.headers['Retry-After'])
        self.assertEqual(503, answer.json['serviceUnavailable']['code'])
        self.assertNotIn('Traceback', answer.text)
        self.assertNotIn('sqlite', answer.text)


class LogTest(OperationTest):
    def test_each_request_is_logged(self) -> None:
        self.api().request('GET', CONSOLES, version='2.31')
        self.assertThat(
            self.log.output,
            testtools.matchers.MatchesRegex(
                rf'(?s).*"GET {CONSOLES}" status: 200 len: 16 '
                r'microversion: 2\.31 time: [0-9.]+\n'
            ),
        )

    def test_keep_alives_are_logged_at_debug(self) -> None:
        api = self.api()
        body = '{"console_sessions": {"ids": []}}'
        path = '/v2.1/console-sessions'
        for level, logged in ((logging.INFO, False), (logging.DEBUG, True)):
            log = self.useFixture(fixtures_.FakeLogger(level=level))
            answer = api.request('PUT', path, fixtures.SERVICE, body=body)
            self.assertEqual(200, answer.status_int)
            self.assertEqual(logged, f'"PUT {path}" status: 200' in log.output)

    def test_refused_keep_alives_are_logged_at_info(self) -> None:
        api = self.api()
        log = self.useFixture(fixtures_.FakeLogger(level=logging.INFO))
        path = '/v2.1/console-sessions'
        api.request('PUT', path, fixtures.MEMBER, body='{')
        api.request('PUT', path, None, body='{}')
        for status in (400, 401):
            self.assertIn(f'"PUT {path}" status: {status}', log.output)

    def test_no_level_logs_secrets(self) -> None:
        api = self.api()
        api.request('POST', CONSOLES)
        password = api.request('GET', f'{CONSOLES}/1').json['console'][
            'password'
        ]
        token = api.issue('novnc')
        for path in (
            token,
            f'/{token}',
            f'{token}?token={token}',
            f'{token}/more',
        ):
            api.request(
                'GET',
                f'/v2.1/os-console-auth-tokens/{path}',
                token=fixtures.ADMIN,
                version='2.99',
            )
        self.assertIn(
            '/v2.1/os-console-auth-tokens/*** ',
            self.log.output.replace('"', ' '),
        )
        for secret in (token, password):
            self.assertNotIn(secret, self.log.output)

    def test_an_invalid_microversion_is_not_logged(self) -> None:
        self.api().request('GET', CONSOLES, version='1" forged \x1b[2J')
        self.assertIn('microversion: - ', self.log.output)
        self.assertNotIn('\x1b', self.log.output)

    def test_unexpected_errors_are_logged_and_not_shown(self) -> None:
        api = self.api()
        with mock.patch.object(
            Servers, 'get', side_effect=RuntimeError('kaboom')
        ):
            answer = api.request('GET', CONSOLES)
        self.assertEqual(500, answer.status_int)
        self.assertEqual(
            {
                'computeFault': {
                    'code': 500,
                    'message': 'The request could not be served.',
                }
            },
            answer.json,
        )
        self.assertIn('RuntimeError: kaboom', self.log.output)


class MissingPartTest(OperationTest):
    def test_edits_of_the_inventory_take_effect(self) -> None:
        api = self.api()
        self.assertEqual(200, api.request('GET', CONSOLES).status_int)
        api.write_inventory({'servers': []})
        self.assertEqual(404, api.request('GET', CONSOLES).status_int)
        api.write_inventory(fixtures.inventory())
        self.assertEqual(200, api.request('GET', CONSOLES).status_int)

    def test_a_broken_inventory_edit_changes_nothing(self) -> None:
        api = self.api()
        api.request('GET', CONSOLES)
        api.inventory.write_text('servers:\n  - id: nonsense\n')
        for _ in range(3):
            self.assertEqual(200, api.request('GET', CONSOLES).status_int)
        self.assertEqual(1, self.log.output.count('servers.yaml: line 2: '))

    def test_a_missing_inventory_is_a_503(self) -> None:
        api = self.api()
        api.inventory.unlink()
        self.unavailable(api.request('GET', CONSOLES))
        api.write_inventory(fixtures.inventory())
        self.assertEqual(200, api.request('GET', CONSOLES).status_int)

    def test_an_unavailable_database_is_a_503(self) -> None:
        api = self.api()
        there = api.folder / 'console-svc.sqlite'
        away = api.folder / 'away'
        api.database.dispose()
        there.rename(away)
        there.mkdir()
        self.unavailable(api.request('GET', CONSOLES))
        self.assertEqual(
            503, api.request('GET', '/healthcheck', token=None).status_int
        )
        there.rmdir()
        away.rename(there)
        self.assertEqual(200, api.request('GET', CONSOLES).status_int)
        self.assertEqual(
            200, api.request('GET', '/healthcheck', token=None).status_int
        )

    def test_an_empty_database_is_a_503(self) -> None:
        api = self.api()
        api.database.dispose()
        for path in api.folder.glob('console-svc.sqlite*'):
            path.unlink()
        self.check_that_the_schema_is_missing(api)
        migration.sync(api.database)
        self.assertEqual(200, api.request('GET', CONSOLES).status_int)

    def check_that_the_schema_is_missing(self, api: fixtures.Api) -> None:
        answer = api.request('GET', CONSOLES)
        self.unavailable(answer)
        self.assertEqual(
            'The service is not ready: its database must be upgraded.',
            answer.json['serviceUnavailable']['message'],
        )
        for _ in range(3):
            answer = api.request('GET', '/healthcheck', token=None)
            self.assertEqual(503, answer.status_int)
            self.assertIn('console-svc-manage db sync', answer.text)
        advice = [
            line
            for line in self.log.output.splitlines()
            if 'run "console-svc-manage db sync"' in line
        ]
        # One for the request, and one for the health check.
        self.assertEqual(2, len(advice), self.log.output)
        self.assertNotIn('Traceback', self.log.output)

    def test_a_schema_that_is_too_old_is_a_503(self) -> None:
        api = self.api()
        with api.database.writing() as connection:
            connection.execute(
                sa.text("UPDATE alembic_version SET version_num = '004'")
            )
            connection.execute(sa.text('DROP TABLE consoles'))
        self.check_that_the_schema_is_missing(api)

    def test_a_missing_key_file_is_a_503(self) -> None:
        api = self.api()
        keys = api.key_file.read_text()
        api.key_file.unlink()
        self.unavailable(api.request('POST', CONSOLES))
        listed = api.request('GET', CONSOLES).json
        self.assertEqual({'consoles': []}, listed)
        api.key_file.write_text(keys)
        self.assertEqual(200, api.request('POST', CONSOLES).status_int)

    def test_a_console_under_other_keys_can_only_be_deleted(self) -> None:
        api = self.api()
        api.request('POST', CONSOLES)
        api.key_file.write_text('A' * 43 + '=')
        answer = api.request('GET', f'{CONSOLES}/1')
        self.assertEqual(500, answer.status_int)
        self.assertIn(
            'create it again', answer.json['computeFault']['message']
        )
        self.assertEqual(
            202, api.request('DELETE', f'{CONSOLES}/1').status_int
        )


class MiddlewareTest(OperationTest):
    ORIGIN = 'https://dashboard.test'

    def test_cors_headers_for_an_allowed_origin(self) -> None:
        api = self.api(cors={'allowed_origin': self.ORIGIN})
        preflight = api.request(
            'OPTIONS',
            CONSOLES,
            token=None,
            Origin=self.ORIGIN,
            Access_Control_Request_Method='DELETE',
            Access_Control_Request_Headers='X-Auth-Token',
        )
        self.assertEqual(200, preflight.status_int)
        self.assertEqual(
            self.ORIGIN, preflight.headers['Access-Control-Allow-Origin']
        )
        answer = api.request('GET', CONSOLES, Origin=self.ORIGIN)
        self.assertEqual(
            self.ORIGIN, answer.headers['Access-Control-Allow-Origin']
        )
        exposed = answer.headers['Access-Control-Expose-Headers']
        self.assertIn('OpenStack-API-Version', exposed)

    def test_no_cors_headers_without_configuration(self) -> None:
        answer = self.api().request('GET', CONSOLES, Origin=self.ORIGIN)
        self.assertNotIn('Access-Control-Allow-Origin', answer.headers)

    def test_the_limit_of_bodies_is_configurable(self) -> None:
        api = self.api(oslo_middleware={'max_request_body_size': 10})
        self.assertEqual(
            413,
            api.request('POST', CONSOLES, body='"0123456789"').status_int,
        )
