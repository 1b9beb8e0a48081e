# SPDX-License-Identifier: Apache-2.0

"""Native consoles on the gateway: open, log in, guess, close."""

import json
import logging
from typing import Any

import fixtures as fixtures_
import testtools
import webob

from console_svc.tests import fixtures

CONSOLES = f'/v2.1/servers/{fixtures.SERVER}/consoles'
SESSIONS = f'/v2.1/servers/{fixtures.SERVER}/console-sessions'
ADDRESS = '198.51.100.7'


class GatewayApi(fixtures.Api):
    """An API whose consoles are on the gateway.

    :param consoles: options of this group
    :param options: of other groups
    """

    def __init__(
        self, consoles: dict[str, Any] | None = None, **options: Any
    ) -> None:
        super().__init__(
            consoles={
                'mode': 'gateway',
                'port_range': '5901-5903',
                'public_hostname': 'gateway.test',
                **(consoles or {}),
            },
            **options,
        )

    def open(self, server_id: str = fixtures.SERVER, **headers: str) -> Any:
        """Open a server's console, and show it."""
        consoles = f'/v2.1/servers/{server_id}/consoles'
        answer = self.request(
            'POST', consoles, token=fixtures.ADMIN, **headers
        )
        assert answer.status_int == 200, answer.body
        (item,) = self.request('GET', consoles, fixtures.ADMIN).json[
            'consoles'
        ]
        return self.request(
            'GET', f'{consoles}/{item["console"]["id"]}', fixtures.ADMIN
        ).json['console']

    def log_in(self, password: str, **target: Any) -> webob.Response:
        """Log in, as the gateway does for its client."""
        document = fixtures.authentication(
            password, **{'client_address': ADDRESS, **target}
        )
        return self.request(
            'POST',
            '/v2.1/console-gateway/authentications',
            token=fixtures.SERVICE,
            body=json.dumps(document),
        )


class GatewayTest(testtools.TestCase):
    def api(self, **options: Any) -> GatewayApi:
        return self.useFixture(GatewayApi(**options))

    def refused(self, answer: webob.Response) -> tuple[Any, ...]:
        ((name, fault),) = answer.json.items()
        return (
            answer.status_int,
            name,
            fault['message'],
            answer.headers.get('Retry-After'),
        )

    def test_show_has_the_gateways_address(self) -> None:
        console = self.api().open()
        self.assertEqual('gateway.test', console['host'])
        self.assertIn(console['port'], (5901, 5902, 5903))
        self.assertEqual('vnc', console['console_type'])
        self.assertEqual('instance-00000001', console['instance_name'])

    def test_without_a_port_range_consoles_share_a_port(self) -> None:
        api = self.useFixture(
            fixtures.Api(
                consoles={'mode': 'gateway'}, rfb={'listen_port': 5999}
            )
        )
        api.request('POST', CONSOLES)
        shown = api.request('GET', f'{CONSOLES}/1').json['console']
        self.assertEqual(5999, shown['port'])

    def test_without_a_port_no_console_is_opened(self) -> None:
        api = self.useFixture(
            fixtures.Api(consoles={'mode': 'gateway'}, rfb={'listen_port': 0})
        )
        self.assertEqual(409, api.request('POST', CONSOLES).status_int)

    def test_a_log_in_opens_a_session(self) -> None:
        api = self.api()
        console = api.open()
        for target in (
            {'port': console['port']},
            {'user_name': fixtures.SERVER},
            {'user_name': 'instance-00000001'},
        ):
            answer = api.log_in(console['password'], **target)
            self.assertEqual(201, answer.status_int, answer.body)
            session = answer.json['session']
            self.assertEqual(fixtures.SERVER, session['instance_uuid'])
            self.assertEqual('vnc', session['console_type'])
            self.assertEqual('192.0.2.10', session['host'])
            self.assertEqual(5901, session['port'])
            self.assertEqual('admin', session['user_id'])
            self.assertEqual('demo', session['project_id'])
            self.assertEqual(ADDRESS, session['client_address'])
            self.assertIsNone(session['expires'])
        listed = api.request('GET', SESSIONS).json['console_sessions']
        self.assertEqual(['vnc'] * 3, [it['console_type'] for it in listed])

    def test_the_proxy_closes_a_session_once(self) -> None:
        api = self.api()
        console = api.open()
        answer = api.log_in(console['password'], port=console['port'])
        path = f'/v2.1/console-sessions/{answer.json["session"]["id"]}'
        for token, status in (
            (fixtures.MEMBER, 403),
            (fixtures.SERVICE, 204),
            (fixtures.SERVICE, 404),
        ):
            closed = api.request('DELETE', path, token=token)
            self.assertEqual(status, closed.status_int)

    def test_wrong_passwords_delay_and_then_lock(self) -> None:
        api = self.api(rfb={'max_failures': 4, 'lock_time': 77})
        console = api.open()
        for delay in '1', '2', '4':
            self.assertEqual(
                (403, 'forbidden', 'Authentication failed', delay),
                self.refused(api.log_in('guess', port=console['port'])),
            )
        locked = 'Console is locked after too many failures'
        status, name, message, delay = self.refused(
            api.log_in('guess', user_name=fixtures.SERVER)
        )
        self.assertEqual(
            (429, 'overLimit', locked, True),
            (status, name, message, 75 <= int(delay) <= 77),
        )
        self.assertEqual(
            429,
            api.log_in(console['password'], port=console['port']).status_int,
        )

    def test_unknown_targets_look_like_wrong_passwords(self) -> None:
        api = self.api()
        console = api.open()
        for target in (
            {'port': 5904},
            {'user_name': fixtures.UNKNOWN},
            {'user_name': 'instance-00000009'},
            {'user_name': ''},
            {'user_name': 'nul\0'},
            {'user_name': '\ud800'},
        ):
            self.assertEqual(
                (403, 'forbidden', 'Authentication failed', '1'),
                self.refused(api.log_in(console['password'], **target)),
            )

    def test_delete_ends_sessions_and_log_ins(self) -> None:
        events = self.useFixture(
            fixtures_.FakeLogger('console_svc.audit', level=logging.INFO)
        )
        api = self.api()
        console = api.open()
        path = f'{CONSOLES}/{console["id"]}'
        opened = api.log_in(console['password'], port=console['port'])
        session_id = opened.json['session']['id']
        self.assertEqual(202, api.request('DELETE', path).status_int)
        answer = api.request(
            'PUT',
            '/v2.1/console-sessions',
            token=fixtures.SERVICE,
            body=json.dumps({'console_sessions': {'ids': [session_id]}}),
        )
        self.assertEqual([], answer.json['console_sessions'])
        answer = api.log_in(console['password'], port=console['port'])
        self.assertEqual(403, answer.status_int)
        self.assertEqual(404, api.request('GET', path).status_int)
        self.assertEqual(
            [
                ('console_auth_token.issue', 'success'),
                ('native_console.open', 'success'),
                ('native_console.show_password', 'success'),
                ('console_session.open', 'success'),
                ('console_auth_token.revoke', 'success'),
                ('console_session.end', 'success'),
                ('native_console.delete', 'success'),
                ('console_gateway.authenticate', 'failure'),
            ],
            [
                (event['name'], event['outcome'])
                for event in map(json.loads, events.output.splitlines())
            ],
        )
        self.assertNotIn(console['password'], events.output)

    def test_revoking_the_servers_tokens_closes_its_console(self) -> None:
        api = self.api()
        console = api.open()
        api.request(
            'DELETE', f'/v2.1/servers/{fixtures.SERVER}/console-auth-tokens'
        )
        self.assertEqual([], api.request('GET', CONSOLES).json['consoles'])
        answer = api.log_in(console['password'], port=console['port'])
        self.assertEqual(403, answer.status_int)

    def test_consoles_get_own_ports_while_any_are_free(self) -> None:
        api = self.api(consoles={'port_range': '5900-5901'})
        mine = api.open()
        self.assertEqual(5901, mine['port'])
        others = f'/v2.1/servers/{fixtures.OTHERS}/consoles'
        answer = api.request('POST', others, token=fixtures.ADMIN)
        self.assertEqual(
            (503, 'serviceUnavailable', 'All ports for consoles are in use.'),
            self.refused(answer)[:3],
        )
        api.request('DELETE', f'{CONSOLES}/{mine["id"]}')
        self.assertEqual(5901, api.open(fixtures.OTHERS)['port'])

    def test_a_single_use_password_is_used_up(self) -> None:
        api = self.api(consoles={'native_max_uses': 1})
        console = api.open()
        for status in (201, 409):
            answer = api.log_in(console['password'], port=console['port'])
            self.assertEqual(status, answer.status_int)
        self.assertEqual(
            'Console is used up',
            answer.json['conflictingRequest']['message'],
        )

    def test_a_repeated_log_in_gets_the_same_session(self) -> None:
        api = self.api(consoles={'native_max_uses': 1})
        console = api.open()
        body = fixtures.authentication(
            console['password'], port=console['port'], id=fixtures.UNKNOWN
        )
        first, second, other = (
            api.request(
                'POST',
                '/v2.1/console-gateway/authentications',
                token=fixtures.SERVICE,
                body=json.dumps(body),
            )
            for body['authentication']['id'] in (
                fixtures.UNKNOWN,
                fixtures.UNKNOWN,
                fixtures.SERVER,
            )
        )
        self.assertEqual(201, second.status_int)
        self.assertEqual(first.json['session'], second.json['session'])
        self.assertEqual(403, other.status_int)

    def test_log_ins_from_another_address_are_refused(self) -> None:
        api = self.api(
            consoles={'bind_to_client_address': True},
            oslo_middleware={'enable_proxy_headers_parsing': True},
        )
        console = api.open(X_Forwarded_For=ADDRESS)
        for address, status in (ADDRESS, 201), ('198.51.100.8', 403):
            answer = api.log_in(
                console['password'],
                port=console['port'],
                client_address=address,
            )
            self.assertEqual(status, answer.status_int)
        self.assertIn('Authentication failed', answer.text)

    def test_a_server_without_vnc_has_no_native_console(self) -> None:
        path = f'/v2.1/servers/{fixtures.BARE}/consoles'
        answer = self.api().request('POST', path)
        self.assertEqual(
            f'Instance {fixtures.BARE} has no native console',
            answer.json['conflictingRequest']['message'],
        )

    def test_connect_info_is_current(self) -> None:
        api = self.api()
        console = api.open()
        document = fixtures.inventory()
        document['servers'][0]['consoles'][0]['port'] = 5999
        api.write_inventory(document)
        answer = api.log_in(console['password'], port=console['port'])
        self.assertEqual(5999, answer.json['session']['port'])
        for change in {'host': 'compute-2'}, {'status': 'SHUTOFF'}:
            document = fixtures.inventory()
            document['servers'][0].update(change)
            api.write_inventory(document)
            answer = api.log_in(console['password'], port=console['port'])
            self.assertEqual(404, answer.status_int)

    def test_consoles_stay_where_they_were_opened(self) -> None:
        api = self.api()
        console = api.open()
        by_driver = self.useFixture(
            fixtures.Api(
                database={
                    'connection': f'sqlite:///{api.folder}/console-svc.sqlite'
                },
                consoles={'mode': 'driver', 'key_file': api.key_file},
            )
        )
        path = f'{CONSOLES}/{console["id"]}'
        shown = by_driver.request('GET', path).json['console']
        self.assertEqual(console['port'], shown['port'])
        self.assertEqual(202, by_driver.request('DELETE', path).status_int)
        by_driver.request('POST', CONSOLES)
        path = f'{CONSOLES}/{console["id"] + 1}'
        shown = api.request('GET', path).json['console']
        self.assertEqual(('192.0.2.10', 5999), (shown['host'], shown['port']))
        answer = api.log_in(shown['password'], user_name=fixtures.SERVER)
        self.assertEqual(403, answer.status_int)
