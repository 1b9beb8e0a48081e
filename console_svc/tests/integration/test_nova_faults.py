# SPDX-License-Identifier: Apache-2.0

"""The driver "nova" with failures and invalid answers of nova."""

import time
from typing import Any, ClassVar

import requests
import testtools

from console_svc.tests import fixtures
from console_svc.tests.integration.service import Service
from console_svc.tests.integration.stub import Answer, Stub

_TICKET = '0b8a3b2c-7c8d-4f0e-9a7a-5f3f6f1f2a11'
_SERVER = {
    'id': fixtures.SERVER,
    'tenant_id': 'demo',
    'name': 'web-1',
    'hostId': 'a-host',
    'status': 'ACTIVE',
}
_CONSOLE = {
    'protocol': 'vnc',
    'type': 'novnc',
    'url': f'http://127.0.0.1:6080/vnc_auto.html?path=%3Ftoken%3D{_TICKET}',
}
_WHERE = {
    'instance_uuid': fixtures.SERVER,
    'host': '192.0.2.7',
    'port': 5907,
    'internal_access_path': None,
}
_GOOD = {
    'GET /servers': Answer(body={'server': _SERVER}),
    'POST /servers': Answer(body={'remote_console': _CONSOLE}),
    'GET /os-console-auth-tokens': Answer(body={'console': _WHERE}),
}


def fault(status: int, message: str = 'No.') -> Answer:
    """Return a fault in nova's format."""
    return Answer(status, {'fault': {'code': status, 'message': message}})


def issue(service: Service) -> requests.Response:
    """Request a console."""
    return service.request(
        'POST',
        f'/v2.1/servers/{fixtures.SERVER}/remote-consoles',
        fixtures.MEMBER,
        '2.6',
        json={'remote_console': {'protocol': 'vnc', 'type': 'novnc'}},
    )


class NovaFaultsTest(testtools.TestCase):
    nova: ClassVar[Stub]
    service: ClassVar[Service]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.nova = Stub(cls.answer)
        cls.nova.setUp()
        cls.addClassCleanup(cls.nova.cleanUp)
        cls.service = Service(
            compute={'driver': 'nova'},
            nova={
                'auth_type': 'none',
                'endpoint_override': cls.nova.url,
                'timeout': 2,
            },
        )
        cls.service.setUp()
        cls.addClassCleanup(cls.service.cleanUp)

    answers: ClassVar[dict[str, Answer]] = {}

    @classmethod
    def answer(cls, method: str, path: str) -> Answer:
        return cls.answers[f'{method} /{path.split("/")[1]}']

    def setUp(self) -> None:
        super().setUp()
        self.answers.clear()
        self.answers.update(_GOOD)

    def issue(self) -> requests.Response:
        return issue(self.service)

    def check(self, status: int, message: str, what: Any) -> None:
        answer = self.issue()
        self.assertEqual(status, answer.status_code, f'{what}: {answer.text}')
        (found,) = answer.json().values()
        self.assertEqual({'code': status, 'message': message}, found)
        self.assertEqual(
            status in (429, 503), 'Retry-After' in answer.headers, what
        )

    def test_requests_carry_the_callers_token(self) -> None:
        """With valid answers, the request succeeds."""
        del self.nova.requests[:]
        self.assertEqual(200, self.issue().status_code)
        asked = [
            (method, path, headers.get('X-Auth-Token'))
            for method, path, headers in self.nova.requests
        ]
        server = f'/servers/{fixtures.SERVER}'
        self.assertEqual(
            [
                ('GET', server, fixtures.MEMBER),
                ('POST', f'{server}/remote-consoles', fixtures.MEMBER),
                # The token of auth_type = none.
                ('GET', f'/os-console-auth-tokens/{_TICKET}', 'notused'),
            ],
            asked,
        )

    def test_failures_and_invalid_answers_are_a_503(self) -> None:
        for question, good in _GOOD.items():
            for answer in (
                fault(500),
                fault(502),
                Answer(503, b'<html>busy</html>'),
                Answer(504, b''),
                Answer(200, b'<html>hello</html>'),
                Answer(200, b''),
                Answer(200, []),
                Answer(200, {}),
                Answer(200, {'server': {}, 'remote_console': {'url': 7}}),
                Answer(200, {'console': {'host': 'h', 'port': 'x'}}),
                Answer(200, {'remote_console': {'url': 'http://h/'}}),
                Answer(404, b'<html>not nova</html>'),
                Answer(403, {'code': 403}),
                Answer(400, b'\xff'),
            ):
                self.answers[question] = answer
                self.check(503, 'Nova is unavailable.', (question, answer))
            self.answers[question] = good

    def test_a_time_out_is_a_503(self) -> None:
        for question, good in _GOOD.items():
            self.answers[question] = Answer(delay=5)
            started = time.monotonic()
            self.check(503, 'Nova is unavailable.', question)
            self.assertLess(time.monotonic() - started, 4.5)
            self.answers[question] = good

    def test_refusals_are_passed_on(self) -> None:
        """The caller gets the status and the message of nova."""
        instance = f'Instance {fixtures.SERVER} could not be found.'
        for question, answer, status, message in (
            ('GET /servers', fault(401, 'Who?'), 401, 'Who?'),
            ('GET /servers', fault(403, 'Not you.'), 403, 'Not you.'),
            ('GET /servers', fault(404), 404, instance),
            ('GET /servers', fault(429, 'Slowly.'), 429, 'Slowly.'),
            ('POST /servers', fault(403, 'Not you.'), 403, 'Not you.'),
            ('POST /servers', fault(404), 404, instance),
            ('POST /servers', fault(409, 'Busy.'), 409, 'Busy.'),
            ('POST /servers', fault(413, 'Quota.'), 413, 'Quota.'),
            ('POST /servers', fault(501, 'I cannot.'), 501, 'I cannot.'),
            (
                'POST /servers',
                fault(400),
                400,
                'Unavailable console type novnc.',
            ),
            (
                'POST /servers',
                fault(406),
                400,
                'Unavailable console type novnc.',
            ),
            # Nova refuses the service here, not the caller.
            (
                'GET /os-console-auth-tokens',
                fault(401),
                503,
                'Nova is unavailable.',
            ),
            (
                'GET /os-console-auth-tokens',
                fault(403),
                503,
                'Nova is unavailable.',
            ),
            (
                'GET /os-console-auth-tokens',
                fault(404),
                409,
                f'Instance {fixtures.SERVER} is not ready',
            ),
        ):
            self.answers[question] = answer
            self.check(status, message, (question, answer))
            self.answers[question] = _GOOD[question]

    def test_nothing_secret_is_logged(self) -> None:
        for question, answer in (
            ('GET /servers', _GOOD['GET /servers']),
            ('GET /os-console-auth-tokens', fault(500, _TICKET)),
            ('GET /os-console-auth-tokens', fault(403)),
            ('GET /os-console-auth-tokens', Answer(delay=3)),
        ):
            self.answers[question] = answer
            self.issue()
        log = self.service.log.read_text()
        self.assertIn('Nova is unavailable: ', log)
        self.assertNotIn(_TICKET, log)
        self.assertNotIn('Traceback', log)


class NovaUnreachableTest(testtools.TestCase):
    def service(self, **nova: str) -> Service:
        return self.useFixture(
            Service(compute={'driver': 'nova'}, nova=dict(nova))
        )

    def test_nova_unreachable(self) -> None:
        service = self.service(
            auth_type='none', endpoint_override='http://127.0.0.1:9'
        )
        self.assertEqual(503, issue(service).status_code)
        self.assertNotIn('Traceback', service.log.read_text())

    def test_keystone_unreachable(self) -> None:
        """Nova is found by the catalogue of keystone."""
        service = self.service(
            auth_type='password',
            auth_url='http://127.0.0.1:9',
            username='proxy',
            password='a-password-of-nova',
            user_domain_id='default',
            project_name='service',
            project_domain_id='default',
        )
        self.assertEqual(503, issue(service).status_code)
        log = service.log.read_text()
        self.assertNotIn('Traceback', log)
        self.assertNotIn('a-password-of-nova', log)
