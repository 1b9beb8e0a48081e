# SPDX-License-Identifier: Apache-2.0

"""A client of the API in an event loop, and a server in the API's place."""

import asyncio
import json
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

import fixtures as fixtures_
import testtools

from console_svc.proxy.console_api import ConsoleApi
from console_svc.tests import fixtures
from console_svc.tests.integration.stub import Answer, Stub

PATIENCE = 60
TOKEN = 'oV8rRZ0mQ2nYwTt3b1aXcFh5kLs7uEiJpD9gGqNvMxw'
ADDRESS = '198.51.100.7'
PASSWORD = 'the-password-of-the-proxy'
OPENED = {
    'id': '9e1b4ad1-6e4b-4a8c-9f1d-3f8c2f0b6d77',
    'instance_uuid': fixtures.SERVER,
    'console_type': 'novnc',
    'host': '192.0.2.10',
    'port': 5901,
    'tls_port': None,
    'internal_access_path': None,
    'expires': None,
    'expires_in': None,
}
KEPT = {'id': OPENED['id'], 'expires': None, 'expires_in': None}

_T = TypeVar('_T')


def keystone(
    name: str = 'a-token', expires: str = '2999-01-01', **token: Any
) -> Answer:
    """Keystone's answer to an authentication."""
    return Answer(
        201,
        {
            'token': {
                'expires_at': f'{expires}T00:00:00.000000Z',
                'issued_at': '2020-01-01T00:00:00.000000Z',
                'methods': ['password'],
                **token,
            }
        },
        headers={'X-Subject-Token': name},
    )


class ApiTest(testtools.TestCase):
    """The server is keystone, too, below /v3.

    It answers a request to open a session with :attr:`opened`, to close one
    with 204, and a keep-alive with one session.
    """

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures_.FakeLogger(level=logging.INFO))
        # Closed last.
        self.runner = asyncio.Runner()
        self.addCleanup(self.runner.close)
        self.keystone = keystone()
        self.opened = Answer(201, {'session': OPENED})
        self.stub = self.useFixture(Stub(self.respond))
        self.api = self.client()

    def client(self, **options: Any) -> ConsoleApi:
        """A client with other options of [console_api]."""
        options = {
            'auth_type': 'password',
            'auth_url': f'{self.stub.url}/v3',
            'username': 'proxy',
            'password': PASSWORD,
            'user_domain_name': 'Default',
            'project_name': 'service',
            'project_domain_name': 'Default',
            'endpoint_override': f'{self.stub.url}/v2.1',
            **options,
        }
        configured = self.useFixture(
            fixtures.Configuration(
                console_api={
                    name: value
                    for name, value in options.items()
                    if value is not None
                }
            )
        )
        api = ConsoleApi(configured.conf)
        self.addCleanup(lambda: self.run_(api.stop()))
        return api

    def run_(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine in the event loop of the test."""
        return self.runner.run(asyncio.wait_for(coroutine, PATIENCE))

    def respond(self, method: str, path: str) -> Answer:
        """The response to a request."""
        if path.startswith('/v3'):
            return self.keystone
        if method == 'DELETE':
            return Answer(204, b'')
        if method == 'PUT':
            return Answer(200, {'console_sessions': [KEPT]})
        return self.opened

    def sent(self, method: str = '') -> list[str]:
        """The paths of the requests to the API with a method."""
        return [
            path.removeprefix('/v2.1')
            for sent, path, _ in self.stub.requests
            if not path.startswith('/v3') and method in ('', sent)
        ]

    def tokens(self) -> list[str | None]:
        """The keystone tokens of the requests to the API."""
        return [
            headers.get('X-Auth-Token')
            for _, path, headers in self.stub.requests
            if not path.startswith('/v3')
        ]

    def authentications(self) -> int:
        """The number of requests to authenticate."""
        return sum(
            path == '/v3/auth/tokens' for _, path, _ in self.stub.requests
        )

    def ids(self) -> list[str]:
        """The ids in the requests to open a session."""
        bodies = [
            json.loads(body)
            for (method, path, _), body in zip(
                self.stub.requests, self.stub.bodies, strict=True
            )
            if method == 'POST' and not path.startswith('/v3')
        ]
        return [next(iter(body.values()))['id'] for body in bodies]

    def is_close(self, method: str) -> bool:
        """Whether the request that is answered closes sessions."""
        return method == 'DELETE' or b'"closed"' in self.stub.current.body

    def closed(self) -> list[str]:
        """The ids in the requests to close sessions."""
        several = [
            json.loads(body)['console_sessions'].get('closed', [])
            for (method, _, _), body in zip(
                self.stub.requests, self.stub.bodies, strict=True
            )
            if method == 'PUT'
        ]
        return [
            *(path.rpartition('/')[2] for path in self.sent('DELETE')),
            *(close['id'] for closes in several for close in closes),
        ]
