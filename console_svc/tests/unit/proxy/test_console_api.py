# SPDX-License-Identifier: Apache-2.0

"""The proxy's client of the API, with an API and a keystone that are odd."""

import asyncio
import logging
import threading
import time
from typing import Any

import fixtures as fixtures_
import testtools

from console_svc import exception
from console_svc.proxy import api_answers
from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.console_api import ConsoleApi
from console_svc.proxy.errors import ApiUnavailable, Refused, TryAgainLater
from console_svc.tests import fixtures
from console_svc.tests.integration.stub import Answer, Stub

PATIENCE = 60
#: More requests at a time than urllib3 keeps connections by default.
CONCURRENT = 12
TOKEN = 'a-console-token'.ljust(43, 'x')
OPENED = {
    'id': '9e1b4ad1-6e4b-4a8c-9f1d-3f8c2f0b6d77',
    'instance_uuid': fixtures.SERVER,
    'console_type': 'novnc',
    'host': '192.0.2.10',
    'port': 5901,
    'internal_access_path': None,
    'expires': None,
    'expires_in': None,
}
KEPT = {'id': OPENED['id'], 'expires': None, 'expires_in': None}
#: JSON that is not the object that it should be.
ODD = [[], None, 17, 'text', b'<html>', b'[' * 100_000, {'x': 1}]


def keystone(token: Any = ..., header: dict[str, str] | None = None) -> Answer:
    """Keystone's answer to an authentication."""
    if token is ...:
        token = {
            'expires_at': '2999-01-01T00:00:00.000000Z',
            'issued_at': '2020-01-01T00:00:00.000000Z',
            'methods': ['password'],
        }
    if header is None:
        header = {'X-Subject-Token': 'a-token'}
    return Answer(201, {'token': token}, headers=header)


class ConsoleApiTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures_.FakeLogger(level=logging.WARNING))
        self.keystone = keystone()
        self.answer = Answer(200, {'console_sessions': [KEPT]})
        stub = self.useFixture(Stub(self.respond))
        self.configured = self.useFixture(
            fixtures.Configuration(
                console_api={
                    'auth_type': 'password',
                    'auth_url': f'{stub.url}/v3',
                    'username': 'proxy',
                    'password': 'secret',
                    'user_domain_name': 'Default',
                    'endpoint_override': f'{stub.url}/v2.1',
                }
            )
        )
        self.api = ConsoleApi(self.configured.conf)
        self.addCleanup(self.api.stop)

    def respond(self, method: str, path: str) -> Answer:
        return self.keystone if path.startswith('/v3') else self.answer

    def keep(self) -> Any:
        return asyncio.run(self.api.keep([KEPT['id']]))

    def open(self, **session: Any) -> OpenedSession:
        """Open a session; the API answers with other values."""
        if session:
            self.answer = Answer(201, {'session': {**OPENED, **session}})
        return asyncio.run(self.api.open(TOKEN, '198.51.100.7'))

    def is_available(self, api: ConsoleApi) -> bool:
        """Send a keep-alive; any other exception fails the test."""
        try:
            kept = asyncio.run(api.keep([OPENED['id']]))
        except ApiUnavailable as error:
            self.assertNotEqual('', str(error))
            return False
        self.assertEqual({OPENED['id']: None}, kept)
        return True

    def test_odd_answers_of_keystone_pass(self) -> None:
        """They are outages, and end with the odd answers."""
        for odd in (
            keystone(header={}),
            keystone(None),
            keystone([]),
            keystone({}),
            keystone({'expires_at': 'tomorrow'}),
            keystone({'expires_at': 17}),
            *(Answer(201, it) for it in ODD),
        ):
            self.keystone = odd
            api = ConsoleApi(self.configured.conf)
            self.addCleanup(api.stop)
            # keystoneauth looks at expires_at when it uses a token again.
            outcomes = [self.is_available(api) for _ in range(3)]
            self.assertIn(False, outcomes, odd)
            self.keystone = keystone()
            self.is_available(api)
            self.assertTrue(self.is_available(api), odd)
            self.assertTrue(self.is_available(api), odd)

    def test_odd_answers_to_a_keep_alive(self) -> None:
        for odd in (
            *ODD,
            *({'console_sessions': it} for it in (None, {}, 'text', [[]])),
            *(
                {'console_sessions': [{**KEPT, name: value}]}
                for name, value in (
                    ('id', None),
                    ('id', []),
                    ('expires_in', 'soon'),
                    ('expires_in', True),
                    ('expires_in', 1.5),
                    ('expires_in', 10**400),
                )
            ),
            {'console_sessions': [{'id': KEPT['id'], 'expires': 'soon'}]},
            {'console_sessions': [{'id': KEPT['id']}]},
        ):
            self.answer = Answer(200, odd)
            error = self.assertRaises(ApiUnavailable, self.keep)
            self.assertNotEqual('', str(error))

    def test_odd_answers_to_an_open(self) -> None:
        for odd in (*ODD, *({'session': it} for it in ODD[:4])):
            self.answer = Answer(201, odd)
            self.assertRaises(TryAgainLater, self.open)
        for name, value in (
            ('id', None),
            ('host', 17),
            ('port', '5901'),
            ('port', 0),
            ('port', 65536),
            ('console_type', []),
            ('internal_access_path', {}),
            ('expires_in', 'soon'),
        ):
            self.assertRaises(TryAgainLater, self.open, **{name: value})
        self.assertNotIn(TOKEN, self.log.output)

    def test_refusal_of_the_credential_is_an_outage(self) -> None:
        for message in (
            str(exception.Forbidden(rule='os_compute_api:sessions:create')),
            'Forbidden',
        ):
            fault = {'code': 403, 'message': message}
            self.answer = Answer(403, {'forbidden': fault})
            self.assertRaises(TryAgainLater, self.open)
            self.assertRaises(
                TryAgainLater,
                asyncio.run,
                self.api.log_in({'port': 5900}, b'', b'', '198.51.100.7'),
            )
            self.assertIn(f'HTTP 403: {message}', self.log.output)

    def test_refusal_of_the_address_is_the_users(self) -> None:
        message = str(exception.WrongAddress())
        self.assertEqual(api_answers.WRONG_ADDRESS, message)
        fault = {'code': 403, 'message': message}
        self.answer = Answer(403, {'forbidden': fault})
        error = self.assertRaises(Refused, self.open)
        self.assertEqual(f'{message}.', error.reason)

    def test_seconds_left_are_counted_from_the_request(self) -> None:
        """Whatever time it is at either end."""
        before = time.monotonic()
        deadline = self.open(expires=17, expires_in=100).deadline
        self.assertIsNotNone(deadline)
        assert deadline is not None
        self.assertLessEqual(before + 100, deadline)
        self.assertLessEqual(deadline, time.monotonic() + 100)
        self.answer = Answer(
            200, {'console_sessions': [{**KEPT, 'expires_in': 50}]}
        )
        (deadline,) = self.keep().values()
        self.assertLessEqual(before + 50, deadline)
        self.assertLessEqual(deadline, time.monotonic() + 50)

    def test_older_api_is_asked_for_its_clock(self) -> None:
        session = {**OPENED, 'expires': 1_000_000_100}
        del session['expires_in']
        self.answer = Answer(
            201,
            {'session': session},
            headers={'Date': 'Sun, 09 Sep 2001 01:46:40 GMT'},
        )
        before = time.monotonic()
        deadline = self.open().deadline
        assert deadline is not None
        self.assertLessEqual(before + 100, deadline)
        self.assertLessEqual(deadline, time.monotonic() + 100)

    def test_each_thread_keeps_its_connection(self) -> None:
        """urllib3 warns of connections that it has to discard."""
        number = CONCURRENT
        together = threading.Barrier(number)

        def respond(method: str, path: str) -> Answer:
            if not path.startswith('/v3'):
                together.wait(PATIENCE)
            return self.respond(method, path)

        self.keep()
        stub = self.useFixture(Stub(respond))
        self.answer = Answer(201, {'session': OPENED})
        self.configured.conf.set_override(
            'endpoint_override', f'{stub.url}/v2.1', 'console_api'
        )
        api = ConsoleApi(self.configured.conf)
        self.addCleanup(api.stop)

        async def run() -> None:
            await asyncio.gather(
                *(api.open(TOKEN, f'198.51.100.{it}') for it in range(number))
            )

        asyncio.run(run())
        self.assertNotIn('Connection pool is full', self.log.output)
