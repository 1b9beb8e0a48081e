# SPDX-License-Identifier: Apache-2.0

"""Bad input gets a JSON fault: never a 500, never a traceback."""

import io
import json
import logging
from typing import Any

import fixtures as fixtures_
import testtools
import webob

from console_svc.tests import fixtures

SERVER = f'/v2.1/servers/{fixtures.SERVER}'
CONSOLES = f'{SERVER}/consoles'
REMOTE = f'{SERVER}/remote-consoles'
TOKENS = '/v2.1/os-console-auth-tokens'

#: Path segments that match no resource.
SEGMENTS = (
    '%00',
    'a%00b',
    '%FF',
    '%C3%28',
    '%ED%A0%80',
    '%F0%9F%96%A5',
    '%2e%2e',
    'a%2Fb',
    '..',
    '%20',
    '%0d%0aX-Evil:%201',
    'index',
    '_lookup',
    '__class__',
    'services',
    'x' * 8000,
    "1'%20OR%20'1'='1",
    '%7B0.__class__%7D',
    '{server_id}',
)

#: Ids of consoles that do not exist; 1 does.
NUMBERS = (
    '0',
    '-1',
    '+1',
    '01',
    '%201',
    '1%20',
    '1.0',
    '1.5',
    '1e0',
    '0x1',
    '1_0',
    '%D9%A1',
    '1.json',
    '999999',
    '9223372036854775807',
    '9223372036854775808',
    '9' * 5000,
)

#: Bodies that are not JSON.
BODIES = (
    b'{',
    b'\x00',
    b'\xff\xfe',
    b'{"a": NaN}',
    b'[Infinity]',
    '{"a": 1}'.encode('utf-16'),
    b'[' * 50000,
    b'{"a":' * 20000,
    b'1' * 50000,
    b'{"a": 1} trailing',
)


class BadInputTest(testtools.TestCase):
    """Sends bad input to every route that takes it."""

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures_.FakeLogger(level=logging.INFO))
        self.api = self.useFixture(fixtures.Api())
        self.api.request('POST', CONSOLES)

    def refused(self, answer: webob.Response, *statuses: int) -> None:
        """Check that a response is a fault with one of these statuses."""
        self.assertIn(answer.status_int, statuses, answer.text)
        self.assertEqual('application/json', answer.content_type)
        ((_, fault),) = answer.json.items()
        self.assertEqual(answer.status_int, fault['code'])
        for name in ('X-OpenStack-Request-Id', 'OpenStack-API-Version'):
            self.assertIn(name, answer.headers)
        for text in (answer.text, self.log.output):
            self.assertNotIn('Traceback', text)

    def test_unknown_paths_are_a_404(self) -> None:
        for prefix in (
            '/',
            '/v2.1/',
            '/v2.1/servers/',
            f'{SERVER}/',
            f'{CONSOLES}/',
            f'{TOKENS}/',
            '/v2.1/demo/',
            '/v2.1/demo/servers/',
            '/v2.1/console-gateway/',
        ):
            for segment in SEGMENTS:
                for suffix in ('', '/consoles', '/consoles/1'):
                    answer = self.api.request(
                        'GET',
                        f'{prefix}{segment}{suffix}',
                        token=fixtures.ADMIN,
                        version='2.31',
                    )
                    self.refused(answer, 404)

    def test_console_ids_that_do_not_exist_are_a_404(self) -> None:
        for method in ('GET', 'DELETE'):
            for number in NUMBERS:
                answer = self.api.request(method, f'{CONSOLES}/{number}')
                self.refused(answer, 404)
                self.assertEqual(
                    f'Console for instance {fixtures.SERVER} could not be '
                    'found.',
                    answer.json['itemNotFound']['message'],
                )
        self.assertEqual(
            200, self.api.request('GET', f'{CONSOLES}/1').status_int
        )

    def test_bodies_that_are_not_json_are_a_400(self) -> None:
        for path in (CONSOLES, REMOTE, f'{SERVER}/action'):
            for body in BODIES:
                answer = self.api.request(
                    'POST', path, version='2.6', body=body
                )
                self.refused(answer, 400)
                self.assertEqual(
                    'Malformed request body',
                    answer.json['badRequest']['message'],
                )

    def test_bodies_of_wrong_types_are_a_400(self) -> None:
        for document in (
            None,
            1,
            'x',
            [],
            {},
            {'remote_console': None},
            {'remote_console': []},
            {'remote_console': {'protocol': 1, 'type': {}}},
            {'remote_console': {'protocol': 'vnc', 'type': 'novnc\x00'}},
            {'os-getVNCConsole': 1},
            {'os-getVNCConsole': {'type': ['novnc']}},
            {'{0.__class__}': {}},
        ):
            body = json.dumps(document)
            self.refused(
                self.api.request('POST', REMOTE, version='2.6', body=body), 400
            )
            self.refused(
                self.api.request('POST', f'{SERVER}/action', body=body), 400
            )

    def test_invalid_log_ins_are_refused_without_repeating_them(self) -> None:
        block = '0123456789abcdefABCDEF0123456789'
        good = {'port': 5901, 'challenge': block, 'response': block}
        self.refused(self._log_in(good), 403)
        named = {'user_name': 'x', 'challenge': block, 'response': block}
        for name in ('x', '', '\x00', '\ud800', '{0.__class__}', '\U0001f5a5'):
            self.refused(self._log_in({**named, 'user_name': name}), 403)
        for wrong in (
            {'user_name': 'x'},
            {'port': None},
            {'port': 0},
            {'port': 65536},
            {'port': 2**70},
            {'port': '5901'},
            {'port': True},
            {'challenge': block[1:]},
            {'challenge': f'{block[1:]}\n'},
            {'challenge': f'{block}\n'},
            {'challenge': f'{block[1:]}٣'},
            {'response': block * 2},
            {'response': [block]},
            {'response': None},
            {'client_address': 'nonsense'},
            {'password': 'sesame'},
        ):
            answer = self._log_in({**good, **wrong})
            self.refused(answer, 400)
            self.assertNotIn(block[1:], answer.text)
        for missing in good:
            document = {**good}
            del document[missing]
            self.refused(self._log_in(document), 400)
        for name in ('x' * 256, 1, None, ['x']):
            self.refused(self._log_in({**named, 'user_name': name}), 400)

    def _log_in(self, authentication: Any) -> webob.Response:
        return self.api.request(
            'POST',
            '/v2.1/console-gateway/authentications',
            token=fixtures.SERVICE,
            body=json.dumps({'authentication': authentication}),
        )

    def test_only_json_content_types_are_accepted(self) -> None:
        for content_type in ('text/plain', 'application/xml', 'json'):
            answer = self.api.request(
                'POST', CONSOLES, body='{}', Content_Type=content_type
            )
            self.refused(answer, 415)
        for content_type in (
            'application/json',
            'Application/JSON; charset=utf-8',
            'application/vnd.openstack.compute+json',
        ):
            answer = self.api.request(
                'POST', CONSOLES, body='{}', Content_Type=content_type
            )
            self.assertEqual(200, answer.status_int)

    def test_a_large_body_is_a_413(self) -> None:
        body = b'"' + b'x' * 114688 + b'"'
        for accepted in ('*/*', 'application/json', 'text/html'):
            answer = self.api.request(
                'POST', CONSOLES, body=body, Accept=accepted
            )
            self.refused(answer, 413)
            self.assertIn('overLimit', answer.json)

    def test_a_large_chunked_body_is_a_413(self) -> None:
        request = webob.Request.blank(
            CONSOLES, method='POST', headers={'X-Auth-Token': fixtures.MEMBER}
        )
        request.body_file = io.BytesIO(b'1' * 200000)
        request.environ['wsgi.input_terminated'] = True
        request.environ.pop('CONTENT_LENGTH', None)
        self.refused(request.get_response(self.api.app), 413)

    def test_strange_queries_are_ignored_or_refused(self) -> None:
        token = self.api.issue('novnc')
        for query in (
            'x=1',
            'x',
            '%FF=%FF',
            'req=1&resp=2',
            '&&&',
            'a' * 9000,
        ):
            answer = self.api.request('GET', f'{CONSOLES}?{query}')
            self.assertEqual(200, answer.status_int)
            answer = self.api.request(
                'GET',
                f'{TOKENS}/{token}?{query}',
                token=fixtures.ADMIN,
                version='2.99',
            )
            if query == '&&&':
                self.assertEqual(200, answer.status_int)
            else:
                self.refused(answer, 400)

    def test_strange_headers_are_ignored_or_refused(self) -> None:
        for version in ('2', '2.1.1', '2.-1', '٢.٣', '9' * 9000, '2.' * 4000):
            answer = self.api.request(
                'GET', CONSOLES, version=version.encode().decode('latin-1')
            )
            self.refused(answer, 400)
        self.refused(
            self.api.request('GET', CONSOLES, version='2.' + '9' * 9000), 406
        )
        flood = {f'X-Flood-{number}': 'x' * 100 for number in range(1000)}
        self.assertEqual(
            200, self.api.request('GET', CONSOLES, **flood).status_int
        )

    def test_noauth2_tokens_without_a_user_are_a_401(self) -> None:
        for token in ('', ' ', ':', ':demo', '::admin'):
            answer = self.api.request('GET', CONSOLES, token=token)
            self.refused(answer, 401)
            self.assertIn('WWW-Authenticate', answer.headers)

    def test_identity_headers_of_clients_are_removed(self) -> None:
        answer = self.api.request(
            'GET',
            f'{TOKENS}/nope',
            version='2.31',
            X_Roles='admin',
            X_Role='admin',
            X_Is_Admin_Project='true',
            X_User_Id='root',
            X_Service_Roles='service',
            Openstack_System_Scope='all',
        )
        self.refused(answer, 403)
        # With this scope, policy would refuse the request.
        listed = self.api.request(
            'GET', CONSOLES, Openstack_System_Scope='all'
        )
        self.assertEqual(200, listed.status_int)

    def test_requests_cannot_forge_log_lines(self) -> None:
        self.api.request('GET', '/v2.1/x%0aERROR forged')
        self.api.request('GET\nERROR forged', '/v2.1/x')
        self.assertNotIn('\nERROR forged', self.log.output)

    def test_noauth2_tokens_that_cannot_be_stored_are_a_401(self) -> None:
        for token in ('x' * 256, f'joe:{"x" * 256}', 'joe\x85:demo'):
            answer = self.api.request('GET', CONSOLES, token=token)
            self.refused(answer, 401)
