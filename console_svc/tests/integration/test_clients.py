# SPDX-License-Identifier: Apache-2.0

"""Unmodified clients of nova, with keystone's catalog."""

import json
import os
import subprocess
import sys
from typing import Any

import jsonschema
import novaclient.client
import openstack
from openstack import exceptions

from console_svc.tests import fixtures
from console_svc.tests.integration.clients import ClientsTestCase


class UnmodifiedTestCase(ClientsTestCase):
    def connection(
        self,
        user: str = 'member',
        project: str = 'demo',
        version: str | None = None,
    ) -> openstack.connection.Connection:
        return openstack.connection.Connection(
            session=self.keystone.session(user, project),
            region_name='RegionOne',
            compute_default_microversion=version,
        )

    def document(self, *arguments: str, **more: str) -> Any:
        """Run an openstack command; return its output, parsed as JSON."""
        done = self.openstack(*arguments, '-f', 'json', **more)
        self.assertEqual((0, ''), (done.returncode, done.stderr))
        return json.loads(done.stdout)


class ClientsTest(UnmodifiedTestCase):
    def test_version_discovery(self) -> None:
        compute = self.connection('member', 'demo').compute
        data = compute.get_endpoint_data()
        self.assertEqual(f'{self.service.url}/v2.1/', data.url)
        self.assertEqual((2, 1), data.min_microversion)
        self.assertEqual((2, 104), data.max_microversion)

    def test_sdk_issues_and_validates(self) -> None:
        member = self.connection('member', 'demo').compute
        console = member.create_console(fixtures.SERVER, 'novnc')
        self.assertEqual('novnc', console['type'])
        token = console['url'].rpartition('%3D')[2]
        proxy = self.connection('proxy', 'service', '2.31').compute
        found = proxy.validate_console_auth_token(token)
        self.assertEqual(fixtures.SERVER, found.instance_uuid)
        self.assertEqual(('192.0.2.10', 5901), (found.host, found.port))

    def test_sdk_uses_an_action_before_2_6(self) -> None:
        member = self.connection('member', 'demo', '2.1').compute
        url = member.get_server_console_url(fixtures.SERVER, 'rdp-html5')
        self.assertIn('?token=', url['url'])

    def test_sdk_shows_the_fault_message(self) -> None:
        member = self.connection('member', 'demo').compute
        error = self.assertRaises(
            exceptions.BadRequestException,
            member.create_console,
            fixtures.SERVER,
            'spice-html5',
        )
        self.assertIn('Unavailable console type spice-html5.', str(error))

    def test_console_url_show(self) -> None:
        for server in (fixtures.SERVER, 'web-1'):
            shown = self.document('console', 'url', 'show', '--novnc', server)
            self.assertEqual(
                ('vnc', 'novnc'), (shown['protocol'], shown['type'])
            )
            self.assertIn('vnc_auto.html?path=%3Ftoken%3D', shown['url'])

    def test_console_url_show_of_another_projects_server(self) -> None:
        done = self.openstack(
            *('console', 'url', 'show', '--novnc', fixtures.SERVER),
            user='stranger',
            project='other',
        )
        self.assertNotEqual(0, done.returncode)
        self.assertIn(f'No Server found for {fixtures.SERVER}', done.stderr)


class ServersTest(UnmodifiedTestCase):
    """Lists of servers, without nova."""

    ALL = {fixtures.SERVER, fixtures.STOPPED, fixtures.BARE}
    ADMIN = {'user': 'admin', 'project': 'admin'}

    def test_openstack_server_list(self) -> None:
        # openstackclient's default, the oldest and the newest microversion.
        for version in (
            (),
            *(('--os-compute-api-version', it) for it in ('2.1', '2.100')),
        ):
            servers = self.document(*version, 'server', 'list')
            self.assertEqual(self.ALL, {it['ID'] for it in servers})
            self.assertEqual(
                {'web-1': 'ACTIVE', 'web-2': 'SHUTOFF', 'web-3': 'ACTIVE'},
                {it['Name']: it['Status'] for it in servers},
            )
            long = self.document(*version, 'server', 'list', '--long')
            self.assertEqual(
                {'web-1': 1, 'web-2': 4, 'web-3': 1},
                {it['Name']: it['Power State'] for it in long},
            )

    def test_openstack_server_list_filters(self) -> None:
        for arguments, found in (
            (('--name', 'web-[12]'), ['web-2', 'web-1']),
            (('--status', 'SHUTOFF'), ['web-2']),
            (('--ip', '192.0.2.1'), []),
            (('--limit', '1'), ['web-3']),
            (('--marker', 'web-3', '--limit', '1'), ['web-2']),
        ):
            servers = self.document('server', 'list', *arguments)
            self.assertEqual(found, [it['Name'] for it in servers])

    def test_openstack_server_list_of_all_projects(self) -> None:
        everything = {*self.ALL, fixtures.OTHERS}
        servers = self.document(
            'server', 'list', '--all-projects', **self.ADMIN
        )
        self.assertEqual(everything, {it['ID'] for it in servers})
        servers = self.document(
            'server', 'list', '--project', 'other', **self.ADMIN
        )
        self.assertEqual([fixtures.OTHERS], [it['ID'] for it in servers])
        done = self.openstack('server', 'list', '--all-projects')
        self.assertEqual(1, done.returncode)
        self.assertIn(
            "Policy doesn't allow os_compute_api:servers:detail:"
            'get_all_tenants to be performed.',
            done.stderr,
        )

    def test_openstack_server_show(self) -> None:
        for version in ('2.1', '2.46', '2.47', '2.100'):
            for server in ('web-2', fixtures.STOPPED):
                shown = self.document(
                    *('--os-compute-api-version', version),
                    *('server', 'show', server),
                )
                self.assertEqual(
                    (fixtures.STOPPED, 'web-2', 'SHUTOFF'),
                    (shown['id'], shown['name'], shown['status']),
                )
                self.assertEqual(
                    self.keystone.projects['demo'], shown['project_id']
                )
        done = self.openstack('server', 'show', 'web-4')
        self.assertEqual(1, done.returncode)
        self.assertIn('No Server found for web-4', done.stderr)

    def test_sdk(self) -> None:
        for version in (None, '2.1', '2.46', '2.104'):
            compute = self.connection(version=version).compute
            for details in (True, False):
                found = compute.servers(details=details)
                self.assertEqual(self.ALL, {it.id for it in found})
                server = compute.find_server('web-1', details=details)
                self.assertEqual(fixtures.SERVER, server.id)
            self.assertIsNone(compute.find_server('web'))
            self.assertEqual(
                'web-2', compute.get_server(fixtures.STOPPED).name
            )
        admin = self.connection('admin', 'admin').compute
        self.assertEqual(
            fixtures.OTHERS,
            admin.find_server('web-4', all_projects=True).id,
        )

    def test_sdk_follows_pages(self) -> None:
        compute = self.connection().compute
        names = [it.name for it in compute.servers(limit=1)]
        self.assertEqual(['web-3', 'web-2', 'web-1'], names)

    def test_horizons_requests(self) -> None:
        """As Horizon lists servers, with novaclient."""
        for version in ('2.1', '2.53', '2.96'):
            admin, member = (
                novaclient.client.Client(
                    version, session=self.keystone.session(*who)
                )
                for who in (('admin', 'admin'), ('member', 'demo'))
            )
            every = admin.servers.list(True, {'all_tenants': True})
            self.assertEqual(
                {*self.ALL, fixtures.OTHERS}, {it.id for it in every}
            )
            project = self.keystone.projects['demo']
            options = {'project_id': project, 'limit': 3}
            for search, sort_dir, found in (
                ({}, 'desc', ['web-3', 'web-2', 'web-1']),
                ({}, 'asc', ['web-1', 'web-2', 'web-3']),
                ({'marker': fixtures.STOPPED}, 'desc', ['web-1']),
                ({'marker': fixtures.STOPPED}, 'asc', ['web-3']),
                ({'name': 'web-1'}, 'desc', ['web-1']),
                ({'status': 'SHUTOFF'}, 'desc', ['web-2']),
            ):
                servers = member.servers.list(
                    True,
                    {**options, **search},
                    sort_keys=['created_at'],
                    sort_dirs=[sort_dir],
                )
                self.assertEqual(found, [it.name for it in servers])
            server = member.servers.get(fixtures.SERVER)
            # Horizon's table reads these.
            flavor = 'id' if version == '2.1' else 'original_name'
            self.assertEqual('', server.flavor[flavor])
            self.assertEqual(
                ('', {}, ''),
                (
                    server.image,
                    server.addresses,
                    getattr(server, 'OS-EXT-AZ:availability_zone'),
                ),
            )

    def test_responses_match_novas_schemas(self) -> None:
        schemas = _nova_schemas()
        member = self.keystone.token('member', 'demo')
        for kind, path in (
            ('index', ''),
            ('detail', '/detail?limit=2'),
            ('show', f'/{fixtures.SERVER}'),
        ):
            versions = schemas[kind]
            self.assertIn('2.1', versions)
            for version, schema in versions.items():
                answer = self.service.request(
                    'GET', f'/v2.1/servers{path}', member, version
                )
                self.assertEqual(200, answer.status_code, answer.text)
                jsonschema.Draft202012Validator(
                    schema,
                    format_checker=jsonschema.FormatChecker(),
                ).validate(answer.json())


# Nova's modules patch the standard library when they are imported.
_PRINT_SCHEMAS = """
import json, re
from nova.api.openstack.compute.schemas import servers
print(json.dumps([
    [kind, f'2.{minor or 1}', schema]
    for name, schema in vars(servers).items()
    for kind, minor in re.findall(
        r'^(index|detail|show)_response(?:_v2(\\d+))?$', name
    )
]))
"""


def _nova_schemas() -> dict[str, dict[str, Any]]:
    """Nova's response schemas: kind -> microversion -> schema."""
    done = subprocess.run(
        [sys.executable, '-c', _PRINT_SCHEMAS],
        env={**os.environ, 'OS_NOVA_DISABLE_EVENTLET_PATCHING': '1'},
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, dict[str, Any]] = {}
    for kind, version, schema in json.loads(done.stdout):
        found.setdefault(kind, {})[version] = schema
    return found
