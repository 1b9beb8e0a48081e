# SPDX-License-Identifier: Apache-2.0

"""The credential of [console_api]: tokens, their renewal, the catalogue."""

import asyncio
import base64
import json
import threading
from typing import Any

import fixtures as fixtures_

from console_svc.proxy import credential
from console_svc.proxy.console_api import ConsoleApi
from console_svc.proxy.errors import ApiUnavailable
from console_svc.tests.integration.stub import Answer
from console_svc.tests.unit.proxy.api import (
    KEPT,
    PASSWORD,
    PATIENCE,
    ApiTest,
    keystone,
)

#: So near that keystoneauth renews the token at each chance.
SOON = '2020-01-02'


class CredentialTest(ApiTest):
    def setUp(self) -> None:
        super().setUp()
        self.now = 1000.0
        self.held = threading.Event()
        self.held.set()
        self.addCleanup(self.held.set)
        #: Tokens that the API refuses.
        self.refused: set[str | None] = set()

    def respond(self, method: str, path: str) -> Answer:
        if path == '/v3/auth/tokens':
            self.held.wait(PATIENCE)
        elif not path.startswith('/v3') and self.tokens()[-1] in self.refused:
            return Answer(401)
        return super().respond(method, path)

    def client(self, **options: Any) -> ConsoleApi:
        api = super().client(**options)
        api._client._credential._clock = lambda: self.now
        return api

    def keep(self, api: ConsoleApi | None = None, number: int = 1) -> None:
        """Send keep-alive requests at the same time."""

        async def keep() -> None:
            await asyncio.gather(
                *((api or self.api).keep([KEPT['id']]) for _ in range(number))
            )

        self.run_(keep())

    def unavailable(self, api: ConsoleApi | None = None) -> str:
        """Send a keep-alive that fails; why."""
        return str(self.assertRaises(ApiUnavailable, self.keep, api))

    def renewed(self) -> None:
        """Wait for the end of a renewal."""

        async def wait() -> None:
            while self.api._client._credential._renewal is not None:
                await asyncio.sleep(0.01)

        self.run_(wait())

    def test_requests_share_an_authentication(self) -> None:
        self.keep(number=20)
        self.assertEqual(1, self.authentications())
        self.assertEqual(['a-token'] * 20, self.tokens())

    def test_token_is_renewed_without_waiting(self) -> None:
        self.keystone = keystone('first', SOON)
        self.keep()
        self.keystone = keystone('second')
        self.now += credential._INTERVAL - 1
        self.keep()
        self.assertEqual(1, self.authentications())
        self.held.clear()
        self.now += 1
        self.keep(number=5)
        self.assertEqual(['first'] * 7, self.tokens())
        self.held.set()
        self.renewed()
        self.keep()
        self.assertEqual('second', self.tokens()[-1])
        self.assertEqual(2, self.authentications())
        # It is not about to expire.
        self.now += credential._INTERVAL
        self.keep()
        self.renewed()
        self.assertEqual(2, self.authentications())

    def test_token_stays_in_use_while_keystone_is_unavailable(self) -> None:
        self.keystone = keystone('first', SOON)
        self.keep()
        for odd in (
            Answer(503),
            Answer(201, []),
            keystone('odd', 'tomorrow'),
        ):
            self.keystone = odd
            self.now += credential._INTERVAL
            self.keep()
            self.renewed()
            before = self.authentications()
            # It is not asked again at once.
            self.keep()
            self.assertEqual(before, self.authentications())
        self.assertIn('cannot be renewed', self.log.output)
        self.keystone = keystone('second')
        self.now += credential._INTERVAL
        self.keep()
        self.renewed()
        self.now += credential._INTERVAL
        self.keep()
        self.renewed()
        self.keep()
        self.assertEqual('second', self.tokens()[-1])
        self.assertNotIn(PASSWORD, self.log.output)

    def test_refused_token_is_replaced_once(self) -> None:
        self.keep()
        self.refused = {'a-token'}
        self.keystone = keystone('another')
        self.keep(number=10)
        self.assertEqual(2, self.authentications())
        self.assertEqual(10, self.tokens().count('another'))
        self.refused.add('another')
        self.keystone = keystone('third')
        self.keep()
        self.assertEqual(['another', 'third'], self.tokens()[-2:])

    def test_request_is_repeated_once_after_a_refusal(self) -> None:
        self.refused = {'a-token', 'another'}
        self.keep_refused(['a-token', 'another'])
        # A plugin that has nothing else to offer.
        self.refused = {'fixed'}
        api = self.client(
            auth_type='admin_token',
            token='fixed',
            endpoint=f'{self.stub.url}/v2.1',
        )
        self.assertIn('HTTP 401', self.unavailable(api))
        self.assertEqual(1, self.tokens().count('fixed'))

    def keep_refused(self, expected: list[str]) -> None:
        def respond(method: str, path: str) -> Answer:
            if path == '/v3/auth/tokens' and self.authentications() > 1:
                return keystone('another')
            return self.respond(method, path)

        self.stub.answer = respond
        self.assertIn('HTTP 401', self.unavailable())
        self.assertEqual(expected, self.tokens())

    def test_refusal_during_a_renewal_replaces_the_token(self) -> None:
        """The renewal may bring the token that the API has refused."""
        self.keystone = keystone('first', SOON)
        self.keep()
        self.held.clear()
        self.now += credential._INTERVAL
        self.refused = {'first'}
        self.run_(self.check_refusal())
        self.assertEqual(['first', 'first', 'second'], self.tokens())

    async def check_refusal(self) -> None:
        def respond(method: str, path: str) -> Answer:
            if path == '/v3/auth/tokens' and self.authentications() > 2:
                return keystone('second')
            return self.respond(method, path)

        async def replace(refused: credential.Access) -> Any:
            self.held.set()
            return await original(refused)

        self.stub.answer = respond
        access = self.api._client._credential
        original = access.replace
        self.useFixture(fixtures_.MockPatchObject(access, 'replace', replace))
        await self.api.keep([KEPT['id']])

    def test_cancelled_request_does_not_cancel_an_authentication(self) -> None:
        self.held.clear()
        self.run_(self.check_cancelled())
        self.assertEqual(1, self.authentications())

    async def check_cancelled(self) -> None:
        cancelled, other = (
            asyncio.create_task(self.api.keep([KEPT['id']])) for _ in range(2)
        )
        while not self.authentications():
            await asyncio.sleep(0.01)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        self.held.set()
        await other

    def test_keystone_that_is_unavailable_at_first(self) -> None:
        self.keystone = Answer(503)
        self.assertEqual('ServiceUnavailable', self.unavailable())
        self.keystone = keystone()
        self.keep()

    def test_other_plugins(self) -> None:
        endpoint = f'{self.stub.url}/v2.1'
        self.keep(self.client(auth_type='none', endpoint=endpoint))
        self.keep(
            self.client(
                auth_type='http_basic', endpoint=endpoint, username='joe'
            )
        )
        self.keep(
            self.client(
                auth_type='v3applicationcredential',
                application_credential_id='an-id',
                application_credential_secret='a-secret',
                **dict.fromkeys(('username', 'password', 'user_domain_name')),
                **dict.fromkeys(('project_name', 'project_domain_name')),
            )
        )
        basic = base64.b64encode(f'joe:{PASSWORD}'.encode()).decode()
        sent = [
            (headers.get('Authorization'), headers.get('X-Auth-Token'))
            for method, _, headers in self.stub.requests
            if method == 'PUT'
        ]
        self.assertEqual(
            [
                (None, 'notused'),
                (f'Basic {basic}', None),
                (None, 'a-token'),
            ],
            sent,
        )
        # The last one's is the only authentication.
        (body,) = (
            body
            for (_, path, _), body in zip(
                self.stub.requests, self.stub.bodies, strict=True
            )
            if path == '/v3/auth/tokens'
        )
        self.assertEqual(
            ['application_credential'],
            json.loads(body)['auth']['identity']['methods'],
        )

    def catalogue(self, service_type: str = 'compute') -> Answer:
        """Keystone's answer with a service, in two regions."""
        return keystone(
            catalog=[
                {
                    'type': service_type,
                    'endpoints': [
                        {
                            'interface': interface,
                            'region_id': region,
                            'url': f'{self.stub.url}/{region}/{interface}',
                        }
                        for region in ('north', 'south')
                        for interface in ('public', 'internal')
                    ],
                }
            ]
        )

    def test_catalogue_without_the_service_is_read_again(self) -> None:
        api = self.client(endpoint_override=None)
        self.keystone = self.catalogue('volume')
        self.assertEqual('EndpointNotFound', self.unavailable(api))
        self.assertEqual('EndpointNotFound', self.unavailable(api))
        self.keystone = self.catalogue()
        self.keep(api)
        self.assertEqual(3, self.authentications())

    def test_endpoint_is_chosen_by_the_options(self) -> None:
        self.keystone = self.catalogue('console')
        for options, expected in (
            ({}, '/north/internal'),
            ({'region_name': 'south'}, '/south/internal'),
            ({'valid_interfaces': 'public'}, '/north/public'),
        ):
            api = self.client(
                endpoint_override=None, service_type='console', **options
            )
            self.keep(api)
            self.assertEqual(
                f'{expected}/console-sessions', self.sent('PUT')[-1]
            )

    def test_endpoint_override_may_contain_ids(self) -> None:
        self.keystone = keystone(
            project={'id': 'a-project', 'name': 'service'},
            user={'id': 'a-user', 'name': 'proxy'},
        )
        override = f'{self.stub.url}/%(user_id)s/%(project_id)s/'
        self.keep(self.client(endpoint_override=override))
        self.assertEqual(
            '/a-user/a-project/console-sessions', self.sent('PUT')[-1]
        )

    def test_http_proxy_of_the_environment_is_used(self) -> None:
        for name in 'http_proxy', 'HTTP_PROXY', 'no_proxy', 'NO_PROXY':
            self.useFixture(fixtures_.EnvironmentVariable(name))
        self.useFixture(
            fixtures_.EnvironmentVariable('http_proxy', self.stub.url)
        )
        api = self.client(
            auth_type='none',
            endpoint='http://192.0.2.1/v2.1',
            endpoint_override=None,
        )
        self.keep(api)
        self.assertEqual(
            'http://192.0.2.1/v2.1/console-sessions', self.sent('PUT')[-1]
        )
