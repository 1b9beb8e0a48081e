# SPDX-License-Identifier: Apache-2.0

"""Unmodified openstacksdk and openstackclient, with keystone's catalog."""

import json

import openstack
from openstack import exceptions

from console_svc.tests import fixtures
from console_svc.tests.integration.clients import ClientsTestCase


class ClientsTest(ClientsTestCase):
    def connection(
        self, user: str, project: str, version: str | None = None
    ) -> openstack.connection.Connection:
        return openstack.connection.Connection(
            session=self.keystone.session(user, project),
            region_name='RegionOne',
            compute_default_microversion=version,
        )

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
        done = self.openstack(
            *('console', 'url', 'show', '--novnc', '-f', 'json'),
            fixtures.SERVER,
        )
        self.assertEqual(0, done.returncode, done.stderr)
        shown = json.loads(done.stdout)
        self.assertEqual(('vnc', 'novnc'), (shown['protocol'], shown['type']))
        self.assertIn('vnc_auto.html?path=%3Ftoken%3D', shown['url'])

    def test_console_url_show_of_another_projects_server(self) -> None:
        done = self.openstack(
            *('console', 'url', 'show', '--novnc', fixtures.SERVER),
            user='stranger',
            project='other',
        )
        self.assertNotEqual(0, done.returncode)
        self.assertIn(
            f'Instance {fixtures.SERVER} could not be found.', done.stderr
        )
