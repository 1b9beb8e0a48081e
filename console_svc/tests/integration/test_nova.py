# SPDX-License-Identifier: Apache-2.0

"""The driver "nova", with a real nova."""

import json
import re
import uuid
from typing import Any, ClassVar

import requests
import sqlalchemy as sa

from console_svc.db.tables import console_auth_tokens
from console_svc.tests import fixtures
from console_svc.tests.integration.base import CONSOLES, TOKENS, KeystoneTest
from console_svc.tests.integration.keystone import PASSWORD
from console_svc.tests.integration.nova import Nova
from console_svc.tests.integration.service import Service, authtoken
from console_svc.tests.programs import process

DOOMED = '5f3d1f8e-9c8e-4a57-9a0c-4dd8e3f1c005'
UNSCHEDULED = '5f3d1f8e-9c8e-4a57-9a0c-4dd8e3f1c006'
ON_DEAD_HOST = '5f3d1f8e-9c8e-4a57-9a0c-4dd8e3f1c007'

_TOKEN = re.compile('token(?:=|%3D)([0-9A-Za-z_-]+)')


# Queries of lists of servers, most of which nova refuses.
_QUERIES = (
    *('', '?limit=0', '?limit=-1', '?limit=x', '?limit=', '?limit=1.5'),
    *('?marker=x', '?marker=', '?name=[', '?name=', '?name=x&name=['),
    *('?sort_key=x', '?sort_key=memory_mb', '?sort_key=host'),
    *('?sort_dir=up', '?sort_dir=', '?sort_dir=asc&sort_dir=asc'),
    *('?status=x', '?status=unknown', '?status=active', '?status=deleted'),
    *('?changes-since=x', '?changes-before=x', '?changes-since='),
    '?changes-since=2026-01-02T00:00:00Z&changes-before=2026-01-01T00:00:00Z',
    *('?x=1', '?_x=1', '?metadata=x', '?locked=x', '?ip=[', '?tags=a'),
    *('?all_tenants=x', '?all_tenants=0', '?all_tenants=', '?project_id=x'),
)


class NovaTest(KeystoneTest):
    nova: ClassVar[Nova]

    @classmethod
    def start(cls, user: str = 'proxy') -> Service:  # type: ignore[override]
        projects = cls.keystone.projects
        if not hasattr(NovaTest, 'nova'):
            NovaTest.nova = Nova(
                cls.keystone,
                {
                    fixtures.SERVER: (
                        projects['demo'],
                        'compute-1',
                        'active',
                    ),
                    fixtures.OTHERS: (
                        projects['other'],
                        'compute-1',
                        'active',
                    ),
                    DOOMED: (projects['demo'], 'compute-1', 'active'),
                    UNSCHEDULED: (projects['demo'], None, 'building'),
                    ON_DEAD_HOST: (projects['demo'], 'compute-9', 'active'),
                },
            )
            NovaTest.nova.setUp()
            cls.addClassCleanup(NovaTest.nova.cleanUp)
        cls.OPTIONS = {
            'compute': {'driver': 'nova'},
            'nova': {
                'auth_type': 'password',
                'auth_url': cls.keystone.url,
                'username': user,
                'password': PASSWORD,
                'user_domain_id': 'default',
                'project_name': {
                    'proxy': 'service',
                    'admin': 'admin',
                    'member': 'demo',
                }[user],
                'project_domain_id': 'default',
                'endpoint_override': f'{NovaTest.nova.url}/v2.1',
            },
        }
        return super().start()

    def issue(
        self,
        kind: str = 'novnc',
        protocol: str = 'vnc',
        token: str | None = None,
        server: str = fixtures.SERVER,
        service: Service | None = None,
    ) -> requests.Response:
        return (service or self.service).request(
            'POST',
            f'/v2.1/servers/{server}/remote-consoles',
            token or self.member,
            '2.99',
            json={'remote_console': {'protocol': protocol, 'type': kind}},
        )

    def look_up(self, answer: requests.Response) -> requests.Response:
        """Look up the token of a console."""
        self.assertEqual(200, answer.status_code, answer.text)
        found = _TOKEN.search(answer.json()['remote_console']['url'])
        assert found is not None
        return self.service.request(
            'GET', f'{TOKENS}/{found[1]}', self.proxy, '2.99'
        )

    def message(self, answer: requests.Response) -> tuple[int, Any]:
        (fault,) = answer.json().values()
        return answer.status_code, fault['message']

    def test_every_type_leads_to_the_console(self) -> None:
        """A token leads where nova's own token would."""
        for protocol, kind, host, port in (
            ('vnc', 'novnc', 'fakevncconsole.com', 6969),
            ('spice', 'spice-html5', 'fakespiceconsole.com', 6969),
            ('spice', 'spice-direct', 'fakespiceconsole.com', 6969),
            ('serial', 'serial', 'fakerdpconsole.com', 6969),
            ('mks', 'webmks', 'fakemksconsole.com', 6969),
        ):
            answer = self.look_up(self.issue(kind, protocol))
            self.assertEqual(200, answer.status_code, answer.text)
            console = answer.json()['console']
            self.assertEqual((host, port), (console['host'], console['port']))
            self.assertEqual(fixtures.SERVER, console['instance_uuid'])
            if kind == 'novnc':
                self.assertIsNotNone(console['internal_access_path'])
            if kind == 'spice-direct':
                self.assertIn('tls_port', console)

    def test_types_that_nova_has_removed_are_refused(self) -> None:
        for kind, protocol in (('xvpvnc', 'vnc'), ('rdp-html5', 'rdp')):
            answer = self.issue(kind, protocol)
            self.assertEqual(400, answer.status_code)
            self.assertIn(kind, answer.text)

    def test_lists_of_servers_without_nova_are_like_novas(self) -> None:
        """Without nova, console-svc refuses what nova refuses."""
        alone = self.useFixture(
            Service(
                projects=self.keystone.projects,
                api={'auth_strategy': 'keystone'},
                keystone_authtoken=authtoken(self.keystone),
            )
        )
        # With the driver nova, they are nova's.
        answer = self.service.request('GET', '/v2.1/servers', self.member)
        self.assertEqual(404, answer.status_code)
        paths = [f'/v2.1/servers{query}' for query in _QUERIES]
        paths += [f'/v2.1/servers/detail{query}' for query in _QUERIES[-4:]]
        paths += [
            f'/v2.1/servers/{server}{query}'
            for server in (fixtures.SERVER, fixtures.UNKNOWN, 'x')
            for query in ('', '?x=1')
        ]
        differences = []
        for version in ('2.1', '2.38', '2.75', '2.104'):
            for token in (self.member, self.admin):
                for path in paths:
                    theirs, ours = (
                        requests.get(
                            f'{url}{path}',
                            headers={
                                'X-Auth-Token': token,
                                'OpenStack-API-Version': f'compute {version}',
                            },
                            timeout=process.PATIENCE,
                        )
                        for url in (self.nova.url, alone.url)
                    )
                    if _summary(theirs) != _summary(ours):
                        who = 'admin' if token == self.admin else 'member'
                        differences.append(
                            f'{version} {who} {path}:\n'
                            f'  nova: {_summary(theirs)}\n'
                            f'  ours: {_summary(ours)}'
                        )
        self.assertEqual([], differences, '\n'.join(differences))

    def test_servers_without_nova_have_novas_fields(self) -> None:
        alone = self.useFixture(
            Service(
                projects=self.keystone.projects,
                api={'auth_strategy': 'keystone'},
                keystone_authtoken=authtoken(self.keystone),
            )
        )
        path = f'/v2.1/servers/{fixtures.SERVER}'
        answer = self.service.request('GET', path, self.member)
        self.assertEqual(404, answer.status_code)
        for version in ('2.1', '2.9', '2.47', '2.71', '2.90', '2.104'):
            theirs, ours = (
                requests.get(
                    f'{url}{path}',
                    headers={
                        'X-Auth-Token': self.member,
                        'OpenStack-API-Version': f'compute {version}',
                    },
                    timeout=process.PATIENCE,
                ).json()['server']
                for url in (self.nova.url, alone.url)
            )
            # A running server has a progress, which is always 0.
            theirs.pop('progress', None)
            self.assertEqual(set(theirs), set(ours), version)
            for name in ('links', 'status', 'tenant_id', 'hostId'):
                self.assertEqual(
                    json.dumps(theirs[name]).replace(self.nova.url, ''),
                    json.dumps(ours[name]).replace(alone.url, ''),
                )

    def test_nova_decides_who_sees_a_server(self) -> None:
        for token, server, status in (
            (self.member, fixtures.SERVER, 200),
            (self.reader, fixtures.SERVER, 403),
            (self.admin, fixtures.SERVER, 200),
            (self.stranger, fixtures.SERVER, 404),
            (self.member, fixtures.OTHERS, 404),
            (self.stranger, fixtures.OTHERS, 200),
            (self.member, fixtures.UNKNOWN, 404),
        ):
            answer = self.issue(token=token, server=server)
            self.assertEqual(status, answer.status_code, answer.text)
            if status == 404:
                self.assertEqual(
                    (404, f'Instance {server} could not be found.'),
                    self.message(answer),
                )

    def test_access_rules_name_the_callers_request_alone(self) -> None:
        self.addCleanup(self.keystone.add_compute(self.service.url))
        token = self.keystone.restricted_token(
            ('POST', '/v2.1/servers/*/remote-consoles')
        )
        # The credential of [nova] has the role that nova expects.
        self.assertEqual(
            200, self.look_up(self.issue(token=token)).status_code
        )
        for server in (fixtures.OTHERS, fixtures.UNKNOWN):
            answer = self.issue(token=token, server=server)
            self.assertEqual(404, answer.status_code, answer.text)
        refused = self.service.request('GET', CONSOLES, token)
        self.assertEqual(401, refused.status_code)
        # That of an administrator has not.
        admins = self.start('admin')
        answer = self.issue(token=token, service=admins)
        self.assertEqual(401, answer.status_code, answer.text)
        self.assertIn('service_token_roles', admins.log.read_text())

    def test_tokens_without_a_project_are_a_403(self) -> None:
        for scope in ({}, {'system_scope': 'all'}, {'domain_id': 'default'}):
            token = self.keystone.scoped_token(**scope)
            answer = self.issue(token=token)
            self.assertEqual(403, answer.status_code, answer.text)

    def test_request_ids_are_in_the_log_of_nova(self) -> None:
        chosen = f'req-{uuid.uuid4()}'
        own = self.issue().headers['X-OpenStack-Request-Id']
        self.service.request(
            'POST',
            f'/v2.1/servers/{fixtures.SERVER}/remote-consoles',
            self.keystone.token('member', 'demo'),
            '2.99',
            headers={'X-OpenStack-Request-ID': chosen},
            json={'remote_console': {'protocol': 'vnc', 'type': 'novnc'}},
        )
        for request_id in (own, chosen):
            self.assertIn(request_id, self.nova.log.read_text())

    def test_a_refusal_of_nova_is_passed_on(self) -> None:
        answer = self.issue(server=UNSCHEDULED)
        self.assertEqual(
            (409, f'Instance {UNSCHEDULED} is not ready'),
            self.message(answer),
        )

    def test_an_internal_error_of_nova_is_a_503(self) -> None:
        """Nova answers 500 for a server on a dead host."""
        answer = self.issue(server=ON_DEAD_HOST)
        self.assertEqual((503, 'Nova is unavailable.'), self.message(answer))
        self.assertIn('Retry-After', answer.headers)

    def test_deleting_a_server_invalidates_its_tokens(self) -> None:
        """Nova deletes its token, and with it ours becomes void."""
        issued = self.issue(server=DOOMED)
        self.assertEqual(200, self.look_up(issued).status_code)
        requests.delete(
            f'{self.nova.url}/v2.1/servers/{DOOMED}',
            headers={'X-Auth-Token': self.member},
            timeout=process.PATIENCE,
        ).raise_for_status()
        process.wait_for(
            lambda: self.look_up(issued).status_code == 404,
            'the token to be void',
        )

    def test_native_consoles_are_on_the_gateway(self) -> None:
        """A log-in looks up the console with the service's credential."""
        service = self.start('admin')
        answer = service.request('POST', CONSOLES, self.member)
        self.assertEqual(200, answer.status_code, answer.text)
        (item,) = service.request('GET', CONSOLES, self.member).json()[
            'consoles'
        ]
        path = f'{CONSOLES}/{item["console"]["id"]}'
        console = service.request('GET', path, self.member).json()['console']
        self.assertEqual(
            ('localhost', 5900), (console['host'], console['port'])
        )
        answer = service.request(
            'POST',
            '/v2.1/console-gateway/authentications',
            self.proxy,
            json=fixtures.authentication(
                console['password'], user_name=fixtures.SERVER
            ),
        )
        self.assertEqual(201, answer.status_code, answer.text)
        session = answer.json()['session']
        self.assertEqual(
            ('fakevncconsole.com', 6969), (session['host'], session['port'])
        )
        self.assertIsNotNone(session['internal_access_path'])

    def test_nova_tokens_are_neither_stored_nor_logged(self) -> None:
        self.issue()
        columns = console_auth_tokens.c
        with self.service.database.reading() as connection:
            tickets = connection.execute(
                sa.select(columns.encrypted_ticket).where(
                    columns.server_id == fixtures.SERVER
                )
            ).scalars()
            for ticket in tickets:
                self.assertTrue(ticket)
                self.assertNotRegex(ticket, '^[0-9a-f]{8}-[0-9a-f]{4}-')
        self.assertNotIn('fakevncconsole', self.service.log.read_text())

    def test_a_credential_without_the_role_is_logged(self) -> None:
        """A member may not look up tokens; the log has the reason."""
        service = self.start('member')
        answer = self.issue(service=service)
        self.assertEqual((503, 'Nova is unavailable.'), self.message(answer))
        self.assertIn(
            'the credential of [nova] may not ask', service.log.read_text()
        )


def _summary(answer: requests.Response) -> tuple[int, str]:
    """The status, and the message of a refusal."""
    if answer.status_code == 200:
        return 200, ''
    (fault,) = answer.json().values()
    # Nova lists the sort keys in a random order.
    message: str = fault['message']
    return answer.status_code, message.partition(' is not one of [')[0]
