# SPDX-License-Identifier: Apache-2.0

"""console-svc's own routes, and the options of tokens and sessions."""

import json
import logging
import time

import fixtures as fixtures_
import sqlalchemy as sa
import testtools

from console_svc.consoles import vault
from console_svc.db import tables
from console_svc.tests import fixtures

TOKENS = '/v2.1/os-console-auth-tokens'
SERVER = f'/v2.1/servers/{fixtures.SERVER}'


class ExtensionsOffTest(testtools.TestCase):
    def test_extensions_that_are_off_are_a_404(self) -> None:
        api = self.useFixture(fixtures.Api(api={'extensions': False}))
        token = api.issue('novnc')
        for method, path in (
            ('POST', f'{TOKENS}/{token}/sessions'),
            ('DELETE', f'{TOKENS}/{token}'),
            ('GET', f'{SERVER}/console-sessions'),
            ('DELETE', f'{SERVER}/console-sessions/x'),
            ('DELETE', f'{SERVER}/console-auth-tokens'),
            ('PUT', '/v2.1/console-sessions'),
            ('DELETE', '/v2.1/console-sessions/x'),
            ('POST', '/v2.1/console-gateway/authentications'),
        ):
            answer = api.request(method, path, token=fixtures.ADMIN)
            self.assertEqual(404, answer.status_int, path)
            self.assertEqual(
                'The resource could not be found.',
                answer.json['itemNotFound']['message'],
            )
        answer = api.request(
            'GET', f'{TOKENS}/{token}', token=fixtures.ADMIN, version='2.31'
        )
        self.assertEqual(200, answer.status_int)


class RecheckTest(testtools.TestCase):
    def lookup(self, api: fixtures.Api, token: str) -> int:
        return api.request(
            'GET', f'{TOKENS}/{token}', token=fixtures.SERVICE, version='2.31'
        ).status_int

    def test_the_token_of_a_moved_console_is_not_found(self) -> None:
        api = self.useFixture(fixtures.Api())
        token = api.issue('novnc')
        document = fixtures.inventory()
        document['servers'][0]['consoles'][0]['port'] = 5999
        api.write_inventory(document)
        self.assertEqual(404, self.lookup(api, token))
        self.assertEqual(200, self.lookup(api, api.issue('serial')))

    def test_the_token_of_a_deleted_server_is_not_found(self) -> None:
        api = self.useFixture(fixtures.Api())
        token = api.issue('novnc')
        api.write_inventory({'servers': []})
        self.assertEqual(404, self.lookup(api, token))

    def test_an_unavailable_driver_is_a_503(self) -> None:
        api = self.useFixture(fixtures.Api())
        other = fixtures.Api(
            database={
                'connection': f'sqlite:///{api.folder}/console-svc.sqlite'
            }
        )
        token = api.issue('novnc')
        self.useFixture(other)
        other.inventory.unlink()
        self.assertEqual(503, self.lookup(other, token))

    def test_recheck_target_can_be_turned_off(self) -> None:
        api = self.useFixture(
            fixtures.Api(consoleauth={'recheck_target': False})
        )
        token = api.issue('novnc')
        api.write_inventory({'servers': []})
        self.assertEqual(200, self.lookup(api, token))


class AddressTest(testtools.TestCase):
    """bind_to_client_address, behind a trusted proxy."""

    def setUp(self) -> None:
        super().setUp()
        self.api = self.useFixture(
            fixtures.Api(
                consoleauth={'bind_to_client_address': True},
                oslo_middleware={'enable_proxy_headers_parsing': True},
            )
        )

    def open(self, issued_to: str, used_from: str | None) -> int:
        answer = self.api.request(
            'POST',
            f'{SERVER}/remote-consoles',
            version='2.6',
            body='{"remote_console": {"protocol": "vnc", "type": "novnc"}}',
            X_Forwarded_For=issued_to,
        )
        token = answer.json['remote_console']['url'].rpartition('%3D')[2]
        session = {'client_address': used_from} if used_from else {}
        return self.api.request(
            'POST',
            f'{TOKENS}/{token}/sessions',
            token=fixtures.SERVICE,
            body=json.dumps({'session': session}),
        ).status_int

    def test_the_address_that_requested_the_token_can_use_it(self) -> None:
        self.assertEqual(201, self.open('198.51.100.7', '198.51.100.7'))
        self.assertEqual(201, self.open('198.51.100.7', '::ffff:198.51.100.7'))
        self.assertEqual(201, self.open('2001:db8::1', '2001:DB8:0::1'))

    def test_another_address_cannot_use_the_token(self) -> None:
        self.assertEqual(403, self.open('198.51.100.7', '198.51.100.8'))
        self.assertEqual(403, self.open('198.51.100.7', None))


class BackgroundPurgeTest(testtools.TestCase):
    def test_expired_tokens_are_deleted(self) -> None:
        api = self.useFixture(
            fixtures.Api(consoleauth={'purge_interval': 1, 'token_ttl': 1})
        )
        api.issue('novnc')

        def tokens() -> int:
            with api.database.engine.connect() as connection:
                return len(
                    connection.execute(
                        sa.select(tables.console_auth_tokens)
                    ).all()
                )

        self.assertEqual(1, tokens())
        deadline = time.monotonic() + 60
        while tokens():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)


class AuditTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(
            fixtures_.FakeLogger('console_svc.audit', level=logging.INFO)
        )

    def events(self) -> list[dict]:
        return [json.loads(line) for line in self.log.output.splitlines()]

    def test_each_step_of_a_tokens_life_is_recorded(self) -> None:
        api = self.useFixture(fixtures.Api(consoleauth={'max_uses': 1}))
        token = api.issue('novnc')
        sessions = f'{TOKENS}/{token}/sessions'
        body = '{"session": {"client_address": "198.51.100.7"}}'
        for _ in range(2):
            answer = api.request(
                'POST', sessions, token=fixtures.SERVICE, body=body
            )
        self.assertEqual(409, answer.status_int)
        api.request('DELETE', f'{TOKENS}/{token}')
        api.request(
            'GET', f'{TOKENS}/{token}', token=fixtures.ADMIN, version='2.31'
        )
        events = self.events()
        self.assertEqual(
            [
                ('console_auth_token.issue', 'success', 'joe'),
                ('console_session.open', 'success', 'proxy'),
                ('console_session.open', 'failure', 'proxy'),
                ('console_auth_token.revoke', 'success', 'joe'),
                ('console_session.end', 'success', 'joe'),
                ('console_auth_token.validate', 'failure', 'admin'),
            ],
            [
                (event['name'], event['outcome'], event['initiator']['id'])
                for event in events
            ],
        )
        self.assertEqual('409', events[2]['reason']['reasonCode'])
        self.assertEqual('revoked', events[4]['target']['reason'])
        for event in events[:5]:
            self.assertEqual(8, len(event['target']['token']))
            self.assertMatches(event['initiator']['request_id'], 'req-.*')
        self.assertEqual(fixtures.SERVER, events[0]['target']['id'])
        self.assertEqual('198.51.100.7', events[1]['target']['client_address'])
        self.assertNotIn(token, self.log.output)

    def assertMatches(self, text: str, pattern: str) -> None:
        self.assertThat(text, testtools.matchers.MatchesRegex(pattern))

    def test_a_refused_issue_is_recorded(self) -> None:
        api = self.useFixture(fixtures.Api())
        api.request(
            'POST',
            f'/v2.1/servers/{fixtures.STOPPED}/remote-consoles',
            version='2.6',
            body='{"remote_console": {"protocol": "vnc", "type": "novnc"}}',
        )
        (event,) = self.events()
        self.assertEqual('failure', event['outcome'])
        self.assertEqual('409', event['reason']['reasonCode'])
        self.assertEqual(fixtures.STOPPED, event['target']['id'])

    def test_each_use_of_a_native_console_is_recorded(self) -> None:
        for mode in ('driver', 'gateway'):
            before = len(self.events())
            api = self.useFixture(fixtures.Api(consoles={'mode': mode}))
            consoles = f'{SERVER}/consoles'
            for _ in range(2):
                api.request('POST', consoles)
            (listed,) = api.request('GET', consoles).json['consoles']
            path = f'{consoles}/{listed["console"]["id"]}'
            shown = api.request('GET', path, token=fixtures.ADMIN)
            self.assertNotIn(
                shown.json['console']['password'], self.log.output
            )
            api.request('GET', f'{consoles}/999')
            api.request('DELETE', path)
            native = [
                event
                for event in self.events()[before:]
                if event['name'].startswith('native_console.')
            ]
            self.assertEqual(
                [
                    ('native_console.open', 'create', 'joe'),
                    ('native_console.show_password', 'read', 'admin'),
                    ('native_console.delete', 'delete', 'joe'),
                ],
                [
                    (it['name'], it['action'], it['initiator']['id'])
                    for it in native
                ],
                mode,
            )
            for event in native:
                target = event['target']
                self.assertEqual('success', event['outcome'])
                self.assertEqual(fixtures.SERVER, target['id'])
                self.assertEqual('vnc', target['console_type'])
                self.assertEqual(mode == 'gateway', 'token' in target)

    def test_refused_uses_of_native_consoles_are_recorded(self) -> None:
        for mode in ('driver', 'gateway'):
            before = len(self.events())
            api = self.useFixture(fixtures.Api(consoles={'mode': mode}))
            stopped = f'/v2.1/servers/{fixtures.STOPPED}/consoles'
            self.assertEqual(409, api.request('POST', stopped).status_int)
            api.request('POST', f'{SERVER}/consoles')
            # Passwords that are stored can no longer be decrypted.
            vault.create_key_file(api.folder / 'other')
            (api.folder / 'other').replace(api.key_file)
            answer = api.request('GET', f'{SERVER}/consoles/1')
            self.assertEqual(500, answer.status_int)
            refused = [
                (it['name'], it['target']['id'], it['reason']['reasonCode'])
                for it in self.events()[before:]
                if it['outcome'] == 'failure'
                and it['name'].startswith('native_console.')
            ]
            self.assertEqual(
                [
                    ('native_console.open', fixtures.STOPPED, '409'),
                    ('native_console.show_password', fixtures.SERVER, '500'),
                ],
                refused,
                mode,
            )
