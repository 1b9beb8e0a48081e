# SPDX-License-Identifier: Apache-2.0

"""The plugin of openstackclient."""

import importlib.metadata
import json
import pathlib
import subprocess
from typing import Any

import fixtures as fixture
import yaml

from console_svc.tests import fixtures
from console_svc.tests.integration.clients import ClientsTestCase
from console_svc.tests.integration.keystone import PASSWORD
from console_svc.tests.integration.service import Service, authtoken
from console_svc.tests.programs import process

COMMANDS = (
    'console auth token create',
    'console auth token revoke',
    'console auth token show',
    'console recording delete',
    'console recording list',
    'console recording play',
    'console recording save',
    'console recording show',
    'console session end',
    'console session list',
    'console session set',
    'server console attach',
    'server console create',
    'server console delete',
    'server console list',
    'server console show',
)
NO_CONSOLE = f'Server {fixtures.SERVER} has no open native console.'


class OscTestCase(ClientsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self._close)

    def _close(self) -> None:
        """Delete the consoles and tokens of this test."""
        admin = self.keystone.token()
        server = f'/v2.1/servers/{fixtures.SERVER}'
        self.service.request('DELETE', f'{server}/console-auth-tokens', admin)
        answer = self.service.request('GET', f'{server}/consoles', admin)
        for item in answer.json()['consoles']:
            path = f'{server}/consoles/{item["console"]["id"]}'
            self.service.request('DELETE', path, admin)

    def output(self, *arguments: str, **more: str) -> str:
        """Run a command that succeeds; return its output."""
        done = self.openstack(*arguments, **more)
        self.assertEqual((0, ''), (done.returncode, done.stderr))
        return done.stdout

    def document(self, *arguments: str, **more: str) -> Any:
        """Run a command that succeeds; return its output, parsed as JSON."""
        return json.loads(self.output(*arguments, '-f', 'json', **more))

    def refused(
        self, *arguments: str, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command that fails with a message."""
        done = self.openstack(*arguments, **more)
        self.assertEqual((1, ''), (done.returncode, done.stdout), done.stderr)
        self.assertNotIn('Traceback', done.stderr)
        return done

    def assertRefused(self, line: str, *arguments: str, **more: str) -> None:
        """Check that a command fails with one line.

        :param line: the line, without a request id
        """
        stderr = self.refused(*arguments, **more).stderr
        self.assertEqual(1, stderr.count('\n'), stderr)
        found = stderr.rstrip('\n').partition(' (Request-ID: req-')[0]
        self.assertEqual(line, found)

    def open_session(self, token: str) -> str:
        """Open a session like a proxy; return its id."""
        answer = self.service.request(
            'POST',
            f'/v2.1/os-console-auth-tokens/{token}/sessions',
            self.keystone.token('proxy', 'service'),
            json={'session': {'client_address': '198.51.100.7'}},
        )
        self.assertEqual(201, answer.status_code, answer.text)
        session_id: str = answer.json()['session']['id']
        return session_id


class HelpTest(OscTestCase):
    def test_the_commands_are_listed(self) -> None:
        lines = self.output('--help').splitlines()
        listed = {line.strip().partition('  ')[0] for line in lines}
        others = {'console url show', 'server show'}
        self.assertLessEqual({*COMMANDS, *others}, listed)

    def test_the_help_of_a_command(self) -> None:
        shown = self.output('help', 'server', 'console', 'delete')
        self.assertIn('Close native consoles of a server', shown)
        self.assertIn('<server> [<console> ...]', shown)
        self.assertIn('The name or ID of the server.', shown)

    def test_no_other_plugin_has_these_names(self) -> None:
        # A set, because an editable installation is found twice.
        points = {
            (distribution.name, point.group, point.name)
            for distribution in importlib.metadata.distributions()
            for point in distribution.entry_points
            if point.group.startswith('openstack.')
        }
        plugins = ('openstack.cli.base', 'openstack.cli.extension')
        clients = [name for _, group, name in points if group in plugins]
        self.assertEqual(1, clients.count('console'))
        commands = [
            name.replace('_', ' ')
            for _, group, name in points
            if group not in plugins
        ]
        for ours in COMMANDS:
            self.assertEqual(
                [ours],
                [
                    name
                    for name in commands
                    if f'{name} '.startswith(f'{ours} ')
                    or f'{ours} '.startswith(f'{name} ')
                ],
            )


class ServerConsoleTest(OscTestCase):
    def test_from_create_to_delete(self) -> None:
        console = ('server', 'console')
        created = self.document(*console, 'create', fixtures.SERVER)
        self.assertEqual(
            {
                'console_type': 'vnc',
                'host': '192.0.2.10',
                'instance_name': 'instance-00000001',
                'port': 5999,
            },
            {
                name: value
                for name, value in created.items()
                if name not in ('id', 'password')
            },
        )
        self.assertRegex(created['password'], r'\A\S{8}\Z')
        number = created['id']
        # Each of these commands shows the same console.
        for arguments in (
            ('create', 'web-1'),
            ('show', fixtures.SERVER),
            ('show', fixtures.SERVER, str(number)),
        ):
            self.assertEqual(created, self.document(*console, *arguments))
        self.assertEqual(
            [{'ID': number, 'Console Type': 'vnc'}],
            self.document(*console, 'list', fixtures.SERVER),
        )
        self.assertEqual('', self.output(*console, 'delete', fixtures.SERVER))
        self.assertEqual([], self.document(*console, 'list', fixtures.SERVER))
        self.assertRefused(NO_CONSOLE, *(*console, 'delete', fixtures.SERVER))

    def test_output_formats(self) -> None:
        number = self.output(
            *('server', 'console', 'create', fixtures.SERVER),
            *('-f', 'value', '-c', 'id'),
        ).strip()
        lister = ('server', 'console', 'list', fixtures.SERVER)
        table = self.output(*lister).splitlines()
        self.assertEqual('| ID | Console Type |', table[1])
        self.assertEqual(
            f'{number} vnc\n', self.output(*lister, '-f', 'value')
        )
        self.assertEqual(
            [{'ID': int(number), 'Console Type': 'vnc'}],
            yaml.safe_load(self.output(*lister, '-f', 'yaml')),
        )
        table = self.output(
            'server', 'console', 'show', fixtures.SERVER
        ).splitlines()
        self.assertRegex(table[1], r'\| Field +\| Value +\|')
        self.assertRegex(table[4], r'\| host +\| 192\.0\.2\.10 +\|')

    def test_deleting_several_tries_each(self) -> None:
        number = self.output(
            *('server', 'console', 'create', fixtures.SERVER),
            *('-f', 'value', '-c', 'id'),
        ).strip()
        delete = ('server', 'console', 'delete', fixtures.SERVER)
        first, second, last = self.refused(
            *delete, '987654', number, '..'
        ).stderr.splitlines()
        self.assertIn(
            'Failed to delete console 987654: Console for instance '
            f'{fixtures.SERVER} could not be found. (HTTP 404)',
            first,
        )
        self.assertEqual(
            "Failed to delete console ..: '..' is not a name or ID", second
        )
        self.assertEqual('2 of 3 consoles failed to delete.', last)
        self.assertRefused(
            NO_CONSOLE, 'server', 'console', 'show', fixtures.SERVER
        )

    def test_a_server_of_another_project_is_not_found(self) -> None:
        message = f'Instance {fixtures.SERVER} could not be found. (HTTP 404)'
        stranger = {'user': 'stranger', 'project': 'other'}
        for verb in ('create', 'show'):
            self.assertRefused(
                *(message, 'server', 'console', verb, fixtures.SERVER),
                **stranger,
            )

    def test_without_lists_of_servers_an_id_is_needed(self) -> None:
        alone = self.useFixture(
            Service(
                projects=self.keystone.projects,
                api={'auth_strategy': 'keystone', 'servers': False},
                keystone_authtoken=authtoken(self.keystone),
            )
        )
        endpoint = {'OS_COMPUTE_ENDPOINT_OVERRIDE': f'{alone.url}/v2.1'}
        command = ('server', 'console', 'list')
        self.output(*command, fixtures.SERVER, **endpoint)
        self.assertRefused(
            'Instance web-1 could not be found. (HTTP 404)',
            *(*command, 'web-1'),
            **endpoint,
        )

    def test_an_unknown_server_name(self) -> None:
        self.assertRefused(
            'Instance web-9 could not be found. (HTTP 404)',
            *('server', 'console', 'list', 'web-9'),
        )

    def test_readers_may_only_list(self) -> None:
        console = ('server', 'console')
        reader = {'user': 'reader'}
        self.output(*console, 'list', fixtures.SERVER, **reader)
        self.assertRefused(
            "Policy doesn't allow os_compute_api:os-consoles:create to be "
            'performed. (HTTP 403)',
            *(*console, 'create', fixtures.SERVER),
            **reader,
        )

    def test_a_stopped_server(self) -> None:
        self.assertRefused(
            f'Instance {fixtures.STOPPED} is not ready (HTTP 409)',
            *('server', 'console', 'create', fixtures.STOPPED),
        )

    def test_passwords_are_not_logged(self) -> None:
        done = self.openstack(
            *('--debug', 'server', 'console', 'create', fixtures.SERVER),
            *('-f', 'value', '-c', 'password'),
        )
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn(f'servers/{fixtures.SERVER}/consoles', done.stderr)
        self.assertNotIn(done.stdout.strip(), done.stderr)


class ConsoleAuthTokenTest(OscTestCase):
    proxy = {'user': 'proxy', 'project': 'service'}
    command = ('console', 'auth', 'token')

    def test_show(self) -> None:
        self.assertEqual(
            {
                'host': '192.0.2.10',
                'instance_uuid': fixtures.SERVER,
                'internal_access_path': None,
                'port': 5902,
                'tls_port': 5903,
            },
            self.document(
                *(*self.command, 'show', self.service.issue('spice-direct')),
                **self.proxy,
            ),
        )

    def test_the_microversion_can_be_set(self) -> None:
        token = self.service.issue('spice-direct')
        at = ('--os-console-api-version',)
        show = (*self.command, 'show', token)
        shown = self.document(*at, '2.31', *show, **self.proxy)
        self.assertNotIn('tls_port', shown)
        self.assertRefused(
            'The requested console type details are not accessible (HTTP 401)',
            *(*at, '2.30', *show),
            **self.proxy,
        )
        # --os-compute-api-version has no effect, and a major version selects
        # the default.
        shown = self.document(
            *('--os-compute-api-version', '2.30', *at, '2', *show),
            **self.proxy,
        )
        self.assertEqual(5903, shown['tls_port'])
        done = self.refused(*at, 'latest', *show)
        self.assertIn(
            "'latest' is not a microversion for console", done.stderr
        )

    def test_show_is_not_for_members(self) -> None:
        self.assertRefused(
            "Policy doesn't allow os_compute_api:os-console-auth-tokens to "
            'be performed. (HTTP 403)',
            *(*self.command, 'show', self.service.issue()),
        )

    def test_an_unknown_token(self) -> None:
        self.assertRefused(
            'Token not found (HTTP 404)',
            *(*self.command, 'show', 'never-issued'),
            **self.proxy,
        )

    def test_tokens_are_not_logged(self) -> None:
        for verb, token in (
            ('show', self.service.issue()),
            ('revoke', self.service.issue()),
            ('show', 'never-issued'),
        ):
            done = self.openstack(
                *('--debug', *self.command, verb, '-'),
                stdin=f'{token}\n',
                user='admin',
                project='admin',
            )
            self.assertEqual(int(token == 'never-issued'), done.returncode)
            self.assertIn('/os-console-auth-tokens/***', done.stderr)
            self.assertNotIn(token, done.stderr + done.stdout)

    def test_create(self) -> None:
        create = (*self.command, 'create', '--type', 'novnc')
        token = self.document(
            *(*create, '--mode', 'view', '--ttl', '60', '--max-uses', '2'),
            *('--client-address', '2001:DB8::7', 'web-1'),
            user='reader',
        )
        expires_at = token.pop('expires_at')
        self.assertIsInstance(expires_at, int)
        self.assertIn(token['token'], token.pop('url'))
        self.assertEqual(44, len(token.pop('token')))
        self.assertEqual(
            {
                'type': 'novnc',
                'mode': 'view',
                'max_uses': 2,
                'client_address': '2001:db8::7',
            },
            token,
        )
        self.assertRegex(
            self.output(*create, fixtures.SERVER),
            r'\| expires_at +\| \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ +\|',
        )
        self.assertRefused(
            "Policy doesn't allow "
            'console_svc:console-auth-tokens:create-control to be performed. '
            '(HTTP 403)',
            *(*create, 'web-1'),
            user='reader',
        )
        self.assertRefused(
            'ttl must be at most 600 seconds. (HTTP 400)',
            *(*create, '--ttl', '601', 'web-1'),
        )

    def test_revoke(self) -> None:
        tokens = [self.service.issue(), self.service.issue()]
        session = self.open_session(tokens[0])
        self.assertEqual('', self.output(*self.command, 'revoke', *tokens))
        first, second, last = self.refused(
            *self.command, 'revoke', *tokens
        ).stderr.splitlines()
        self.assertIn('Failed to revoke token 1: Token not found', first)
        self.assertIn('Failed to revoke token 2: Token not found', second)
        self.assertEqual('2 of 2 tokens failed to revoke.', last)
        self.assertNotIn(
            session,
            self.output('console', 'session', 'list', fixtures.SERVER),
        )

    def test_revoke_all_tokens_of_a_server(self) -> None:
        token = self.service.issue()
        revoke = (*self.command, 'revoke')
        self.assertEqual('', self.output(*revoke, '--server', 'web-1'))
        self.assertRefused(
            'Token not found (HTTP 404)',
            *(*self.command, 'show', token),
            **self.proxy,
        )
        done = self.openstack(*revoke)
        self.assertEqual(2, done.returncode)
        self.assertIn(
            'one of the arguments <token> --server is required', done.stderr
        )

    def test_revoke_is_not_for_other_projects(self) -> None:
        token = self.service.issue()
        done = self.refused(
            *(*self.command, 'revoke', token),
            user='stranger',
            project='other',
        )
        self.assertIn('Token not found (HTTP 404)', done.stderr)
        self.assertNotIn(token, done.stderr)


class ConsoleSessionTest(OscTestCase):
    list = ('console', 'session', 'list', fixtures.SERVER)
    end = ('console', 'session', 'end', fixtures.SERVER)

    def test_list(self) -> None:
        session = self.open_session(self.service.issue())
        (shown,) = self.document(*self.list, user='reader')
        created = shown.pop('Created At')
        self.assertIsInstance(created, int)
        self.assertEqual(
            {
                'ID': session,
                'Console Type': 'novnc',
                'Mode': 'control',
                'User ID': None,
                'Client Address': '198.51.100.7',
                'Expires': None,
            },
            shown,
        )
        self.assertRegex(
            self.output(*self.list).splitlines()[3],
            rf'\| {session} \| novnc +\| control +\| None +\| '
            r'198\.51\.100\.7 +\| \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \| None +\|',
        )
        (more,) = self.document(*self.list, '--long')
        self.assertEqual(fixtures.SERVER, more['Server ID'])
        self.assertEqual(self.keystone.projects['demo'], more['Project ID'])

    def test_hand_over(self) -> None:
        token = self.service.issue()
        sessions = [self.open_session(token), self.open_session(token)]
        change = ('console', 'session', 'set', '--mode')
        self.assertEqual('', self.output(*change, 'view', 'web-1', *sessions))
        shown = self.document(*self.list)
        self.assertEqual(['view', 'view'], [it['Mode'] for it in shown])
        self.output(*change, 'control', 'web-1', sessions[1])
        shown = self.document(*self.list)
        self.assertEqual(['view', 'control'], [it['Mode'] for it in shown])
        self.output(*self.end, sessions[0])
        failed, last = self.refused(
            *change, 'view', 'web-1', *sessions
        ).stderr.splitlines()
        self.assertIn(f'Failed to change session {sessions[0]}: ', failed)
        self.assertEqual('1 of 2 sessions failed to change.', last)

    def test_history(self) -> None:
        token = self.service.issue()
        sessions = [self.open_session(token) for _ in range(3)]
        for session in sessions:
            self.output(*self.end, session)
        history = (*self.list, '--ended')
        last, *_ = found = self.document(*history, user='reader')
        # Those of other tests follow.
        self.assertEqual(sessions[::-1], [it['ID'] for it in found[:3]])
        self.assertIsInstance(last['Ended At'], int)
        self.assertEqual('ended', last['End Reason'])
        self.assertEqual(
            (0, 0, 'control'), (last['Received'], last['Sent'], last['Mode'])
        )
        (page,) = self.document(
            *(*history, '--limit', '1', '--marker', last['ID'])
        )
        self.assertEqual(sessions[1], page['ID'])
        for filter_ in ('--user', 'nobody'), ('--console-type', 'serial'):
            self.assertEqual([], self.document(*history, *filter_))
        self.assertEqual(
            [], self.document(*history, '--changes-since', '2100-01-01')
        )

    def test_sessions_of_all_servers_are_for_administrators(self) -> None:
        session = self.open_session(self.service.issue())
        everywhere = ('console', 'session', 'list', '--all')
        admin = {'user': 'admin', 'project': 'admin'}
        (found,) = self.document(*everywhere, **admin)
        self.assertEqual(
            (session, fixtures.SERVER), (found['ID'], found['Server ID'])
        )
        self.output(*self.end, session)
        self.assertEqual([], self.document(*everywhere, **admin))
        last, *_ = self.document(*everywhere, '--ended', **admin)
        self.assertEqual(session, last['ID'])
        self.assertRefused(
            "Policy doesn't allow console_svc:sessions:index:all to be "
            'performed. (HTTP 403)',
            *everywhere,
        )

    def test_end_sessions(self) -> None:
        token = self.service.issue()
        sessions = [self.open_session(token), self.open_session(token)]
        self.assertEqual('', self.output(*self.end, *sessions))
        self.assertEqual([], self.document(*self.list))
        failed, last = self.refused(*self.end, sessions[0]).stderr.splitlines()
        self.assertIn(
            f'Failed to end session {sessions[0]}: Session {sessions[0]} '
            'could not be found. (HTTP 404)',
            failed,
        )
        self.assertEqual('1 of 1 sessions failed to end.', last)

    def test_a_server_of_another_project_is_not_found(self) -> None:
        session = self.open_session(self.service.issue())
        message = f'Instance {fixtures.SERVER} could not be found. (HTTP 404)'
        stranger = {'user': 'stranger', 'project': 'other'}
        self.assertRefused(message, *self.list, **stranger)
        done = self.refused(*self.end, session, **stranger)
        self.assertIn(message, done.stderr)
        self.assertIn(session, self.output(*self.list))


class EndpointTest(OscTestCase):
    """Credentials and endpoints as openstackclient supports them."""

    command = ('server', 'console', 'list')

    def test_authentication_with_a_token(self) -> None:
        self.output(
            *(*self.command, fixtures.SERVER),
            OS_AUTH_TYPE='v3token',
            OS_TOKEN=self.keystone.token('member', 'demo'),
            OS_USERNAME='',
            OS_PASSWORD='',
            OS_USER_DOMAIN_ID='',
        )

    def test_regions_and_interfaces(self) -> None:
        for name, value, message in (
            ('OS_INTERFACE', 'internal', 'internal endpoint for compute'),
            ('OS_REGION_NAME', 'Mars', 'in Mars region not found'),
        ):
            done = self.refused(
                *(*self.command, fixtures.SERVER), **{name: value}
            )
            self.assertIn(message, done.stderr)

    def test_clouds_yaml(self) -> None:
        """The endpoint is not in the catalog."""
        alone = self.useFixture(
            Service(
                projects=self.keystone.projects,
                api={'auth_strategy': 'keystone'},
                keystone_authtoken=authtoken(self.keystone),
            )
        )
        cloud = {
            'cloud': self.cloud(f'{alone.url}/v2.1'),
            'unreachable': self.cloud(
                f'http://127.0.0.1:{process.free_port()}/v2.1'
            ),
        }
        folder = pathlib.Path(self.useFixture(fixture.TempDir()).path)
        file = folder / 'clouds.yaml'
        file.write_text(yaml.safe_dump({'clouds': cloud}))
        environment = {'OS_CLIENT_CONFIG_FILE': str(file)}
        create = ('server', 'console', 'create', 'web-1')
        self.output('--os-cloud', 'cloud', *create, **environment)
        self.assertIn('"POST /v2.1/servers/', alone.log.read_text())
        done = self.refused(
            *('--os-cloud', 'unreachable', 'console', 'auth', 'token', 'show'),
            'a-secret',
            **environment,
        )
        self.assertIn('Unable to establish connection', done.stderr)
        self.assertNotIn('a-secret', done.stderr)

    def cloud(self, endpoint: str) -> dict[str, Any]:
        """Return a cloud for clouds.yaml with another compute endpoint."""
        return {
            'region_name': 'RegionOne',
            'compute_endpoint_override': endpoint,
            'auth': {
                'auth_url': self.keystone.url,
                'username': 'member',
                'password': PASSWORD,
                'project_name': 'demo',
                'user_domain_id': 'default',
                'project_domain_id': 'default',
            },
        }
