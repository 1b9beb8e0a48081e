# SPDX-License-Identifier: Apache-2.0

"""The client's address and the links of the API, behind a load balancer."""

import json
import logging
from typing import Any

import fixtures as fixtures_
import sqlalchemy as sa
import testtools
import webob

from console_svc.db import tables
from console_svc.tests import fixtures

REMOTE = f'/v2.1/servers/{fixtures.SERVER}/remote-consoles'
BODY = '{"remote_console": {"protocol": "vnc", "type": "novnc"}}'
PEER = '203.0.113.1'


class ForwardedTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(
            fixtures_.FakeLogger('console_svc.audit', level=logging.INFO)
        )

    def api(self, trust: bool = True, **options: Any) -> fixtures.Api:
        return self.useFixture(
            fixtures.Api(
                api=options,
                oslo_middleware={'enable_proxy_headers_parsing': trust},
            )
        )

    def request(
        self,
        api: fixtures.Api,
        path: str,
        headers: dict[str, str],
        peer: str = PEER,
        **more: Any,
    ) -> webob.Response:
        request = webob.Request.blank(
            path,
            headers={
                'X-Auth-Token': fixtures.MEMBER,
                'OpenStack-API-Version': 'compute 2.6',
            },
            **more,
        )
        request.environ['REMOTE_ADDR'] = peer
        for name, value in headers.items():
            # As WSGI servers do, which add both names to one variable.
            key = f'HTTP_{name.upper().replace("-", "_")}'
            before = request.environ.get(key)
            request.environ[key] = f'{before}, {value}' if before else value
        return request.get_response(api.app)

    def address(self, api: fixtures.Api, peer: str = PEER, **headers: str):
        """The address that is stored with a token, and audited."""
        answer = self.request(
            api,
            REMOTE,
            {name.replace('__', '-'): it for name, it in headers.items()},
            peer,
            method='POST',
            text=BODY,
        )
        self.assertEqual(200, answer.status_int, answer.text)
        column = tables.console_auth_tokens.c.client_address
        query = sa.select(column).order_by(column.table.c.id.desc())
        with api.database.engine.connect() as connection:
            stored = connection.execute(query).scalars().first()
        event = json.loads(self.log.output.splitlines()[-1])
        self.assertEqual(stored, event['initiator']['host']['address'])
        return stored

    def links(self, api: fixtures.Api, headers: dict[str, str]) -> str:
        answer = self.request(api, '/v2.1', headers)
        self.assertEqual(200, answer.status_int, answer.text)
        (link,) = answer.json['version']['links']
        href: str = link['href']
        return href

    def test_the_element_of_the_trusted_load_balancer_counts(self) -> None:
        api = self.api()
        for value, address in (
            ('198.51.100.7', '198.51.100.7'),
            ('192.0.2.66, 198.51.100.7', '198.51.100.7'),
            ('"[2001:DB8:0::7]:4711"', '2001:db8::7'),
            ('::ffff:198.51.100.7', '198.51.100.7'),
            ('192.0.2.66, unknown', PEER),
            ('x' * 5000, PEER),
            (f'fe80::1%{"x" * 100}', PEER),
            ('\xff', PEER),
            ('', PEER),
        ):
            found = self.address(api, X__Forwarded__For=value)
            self.assertEqual(address, found, value)

    def test_each_trusted_hop_adds_an_element(self) -> None:
        found = self.address(
            self.api(trusted_hops=2),
            X__Forwarded__For='192.0.2.66, 198.51.100.7, 203.0.113.9',
        )
        self.assertEqual('198.51.100.7', found)

    def test_the_peer_is_the_client_by_default(self) -> None:
        api = self.api(trust=False)
        for peer, address in (
            (PEER, PEER),
            ('::ffff:203.0.113.1', PEER),
            ('fe80::1%eth0', 'fe80::1'),
            ('', None),
            ('unix:', None),
        ):
            found = self.address(api, peer, X__Forwarded__For='192.0.2.66')
            self.assertEqual(address, found)

    def test_other_headers_are_ignored(self) -> None:
        api = self.api()
        found = self.address(
            api,
            Forwarded='for=192.0.2.66',
            X__Real__IP='192.0.2.66',
            X__Client__IP='192.0.2.66',
        )
        self.assertEqual(PEER, found)
        # A header whose name has underscores comes before the balancer's.
        found = self.address(
            api, X_Forwarded_For='192.0.2.66', X__Forwarded__For='192.0.2.7'
        )
        self.assertEqual('192.0.2.7', found)

    def test_addresses_of_clients_are_stored_in_their_usual_form(self) -> None:
        api = self.api()
        token = api.issue('novnc')
        answer = api.request(
            'POST',
            f'/v2.1/os-console-auth-tokens/{token}/sessions',
            token=fixtures.SERVICE,
            body='{"session": {"client_address": "::ffff:198.51.100.7"}}',
        )
        self.assertEqual(201, answer.status_int)
        event = json.loads(self.log.output.splitlines()[-1])
        self.assertEqual('198.51.100.7', event['target']['client_address'])

    def test_links_have_the_scheme_of_the_client(self) -> None:
        api = self.api()
        for value, scheme in (
            ('https', 'https'),
            ('http, HTTPS', 'https'),
            ('wss', 'https'),
            ('javascript', 'http'),
            ('\xff', 'http'),
        ):
            href = self.links(api, {'X-Forwarded-Proto': value})
            self.assertTrue(href.startswith(f'{scheme}://localhost'), href)

    def test_links_are_not_rewritten_by_other_headers(self) -> None:
        forged = {
            'X-Forwarded-Host': 'evil.test',
            'X-Forwarded-Prefix': '/evil',
            'Forwarded': 'host=evil.test;proto=evil',
        }
        for api in (self.api(), self.api(trust=False)):
            self.assertEqual('http://localhost/v2.1/', self.links(api, forged))

    def test_headers_are_enabled_by_name(self) -> None:
        api = self.api(
            forwarding_headers='X-Forwarded-Host, X-Forwarded-Prefix'
        )
        for host, prefix, href in (
            ('a.test, b.test:8774', '/c', 'http://b.test:8774/c/v2.1/'),
            ('a/b', '/c/', 'http://localhost/c/v2.1/'),
            ('\xff', '/\xff', 'http://localhost/v2.1/'),
            ('[2001:db8::7]', '//evil', 'http://[2001:db8::7]/v2.1/'),
        ):
            headers = {'X-Forwarded-Host': host, 'X-Forwarded-Prefix': prefix}
            self.assertEqual(href, self.links(api, headers))
        self.assertEqual(
            PEER, self.address(api, X__Forwarded__For='192.0.2.66')
        )

    def test_forwarded_replaces_the_other_headers(self) -> None:
        api = self.api(forwarding_headers='Forwarded, X-Forwarded-For')
        element = 'For="[2001:db8::7]:80";proto=https;host="b.test"'
        for value, address in (
            (f'for=192.0.2.66, {element}', '2001:db8::7'),
            ('for=unknown', PEER),
            ('for=', PEER),
            ('for="192.0.2.66, for=198.51.100.7', '198.51.100.7'),
            (';;=,\xff', PEER),
        ):
            found = self.address(
                api, Forwarded=value, X__Forwarded__For='192.0.2.66'
            )
            self.assertEqual(address, found)
        self.assertEqual(
            'https://b.test/v2.1/', self.links(api, {'Forwarded': element})
        )
