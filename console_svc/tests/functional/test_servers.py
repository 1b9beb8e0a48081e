# SPDX-License-Identifier: Apache-2.0

"""Lists of servers, as clients of nova use them."""

import logging
from typing import Any, ClassVar

import fixtures as fixtures_
import testtools
import webob

from console_svc.context import RequestContext
from console_svc.policy import Policy
from console_svc.tests import fixtures
from console_svc.tests.functional.openapi import Document

SERVERS = '/v2.1/servers'
BOTH = (SERVERS, f'{SERVERS}/detail')


class ServersTest(testtools.TestCase):
    OPTIONS: ClassVar[dict[str, Any]] = {}

    def setUp(self) -> None:
        super().setUp()
        self.api = self.useFixture(fixtures.Api(**self.OPTIONS))

    def get(self, path: str = SERVERS, **request: Any) -> webob.Response:
        return self.api.request('GET', path, **request)

    def names(self, query: str = '', **request: Any) -> list[str]:
        """The names that both lists have, in their order."""
        found = []
        for path in BOTH:
            answer = self.get(f'{path}{query}', **request)
            self.assertEqual(200, answer.status_int, answer.text)
            found.append([it['name'] for it in answer.json['servers']])
        self.assertEqual(*found)
        return found[0]

    def refused(self, message: str, query: str, **request: Any) -> None:
        """Check that both lists refuse a query."""
        for path in BOTH:
            answer = self.get(f'{path}{query}', **request)
            self.assertEqual(400, answer.status_int, answer.text)
            self.assertEqual(message, answer.json['badRequest']['message'])


class ShownTest(ServersTest):
    def test_lists_have_the_servers_of_the_project(self) -> None:
        self.assertEqual(['web-3', 'web-2', 'web-1'], self.names())
        self.assertEqual(['web-4'], self.names(token=fixtures.STRANGER))
        self.assertEqual([], self.names(token=fixtures.ADMIN))

    def test_a_server_is_the_same_in_lists(self) -> None:
        for version in ('2.1', '2.70', 'latest'):
            shown = self.get(
                f'{SERVERS}/{fixtures.STOPPED}', version=version
            ).json['server']
            shown.pop('server_groups', None)
            detailed = self.get(f'{SERVERS}/detail', version=version).json
            self.assertIn(shown, detailed['servers'])
            listed = self.get(version=version).json
            self.assertIn(
                {name: shown[name] for name in ('id', 'name', 'links')},
                listed['servers'],
            )

    def test_status(self) -> None:
        document = fixtures.inventory()
        for status, shown, vm_state, power_state in (
            ('ACTIVE', 'ACTIVE', 'active', 1),
            ('SHUTOFF', 'SHUTOFF', 'stopped', 4),
            ('paused', 'PAUSED', 'paused', 3),
            ('SUSPENDED', 'SUSPENDED', 'suspended', 7),
            ('ERROR', 'ERROR', 'error', 0),
            ('on fire', 'UNKNOWN', None, 0),
        ):
            document['servers'][0]['status'] = status
            self.api.write_inventory(document)
            server = self.get(f'{SERVERS}/{fixtures.SERVER}').json['server']
            self.assertEqual(
                (shown, vm_state, power_state),
                (
                    server['status'],
                    server['OS-EXT-STS:vm_state'],
                    server['OS-EXT-STS:power_state'],
                ),
            )

    def test_the_flavor_is_embedded_from_2_47_on(self) -> None:
        for version, name in (('2.46', 'id'), ('2.47', 'original_name')):
            server = self.get(
                f'{SERVERS}/{fixtures.SERVER}', version=version
            ).json['server']
            self.assertEqual('', server['flavor'][name])

    def test_links_have_the_form_of_the_request(self) -> None:
        for project in ('', '/demo'):
            for path in ('', '/detail', f'/{fixtures.SERVER}'):
                document = self.get(f'/v2.1{project}/servers{path}').json
                server = document.get('server') or document['servers'][-1]
                here = f'{project}/servers/{fixtures.SERVER}'
                self.assertEqual(
                    {
                        'self': f'http://localhost/v2.1{here}',
                        'bookmark': f'http://localhost{here}',
                    },
                    {it['rel']: it['href'] for it in server['links']},
                )

    def test_a_query_is_refused_from_2_102_on(self) -> None:
        path = f'{SERVERS}/{fixtures.SERVER}?x=1'
        self.assertEqual(200, self.get(path, version='2.101').status_int)
        answer = self.get(path, version='2.102')
        self.assertEqual(400, answer.status_int)
        self.assertEqual(
            "Additional properties are not allowed ('x' was unexpected)",
            answer.json['badRequest']['message'],
        )

    def test_an_unreadable_inventory_is_a_503(self) -> None:
        self.useFixture(fixtures_.FakeLogger(level=logging.ERROR))
        self.api.inventory.unlink()
        for path in (*BOTH, f'{SERVERS}/{fixtures.SERVER}'):
            self.assertEqual(503, self.get(path).status_int)


class FiltersTest(ServersTest):
    def test_other_projects_need_all_tenants(self) -> None:
        own = ['web-3', 'web-2', 'web-1']
        for name in ('project_id', 'tenant_id'):
            self.assertEqual(
                own, self.names(f'?{name}=other', token='ann:demo:admin')
            )

    def test_a_caller_without_a_project_has_no_servers(self) -> None:
        # oslo.policy refuses such callers, because of scope_types.
        self.useFixture(
            fixtures_.MockPatchObject(Policy, 'allows', lambda *_, **__: True)
        )
        self.useFixture(
            fixtures_.MockPatchObject(
                RequestContext,
                'from_environ',
                lambda *_, **__: RequestContext(system_scope='all'),
            )
        )
        self.assertEqual([], self.names())
        self.assertEqual(4, len(self.names('?all_tenants=1')))

    def test_names_are_regular_expressions(self) -> None:
        for pattern, found in (
            ('web-1', ['web-1']),
            ('web', ['web-3', 'web-2', 'web-1']),
            ('WEB-[12]$', ['web-2', 'web-1']),
            ('^eb', []),
            ('1|3', ['web-3', 'web-1']),
        ):
            self.assertEqual(found, self.names(f'?name={pattern}'), pattern)
            self.assertEqual(
                found,
                self.names(
                    f'?display_name={pattern}&all_tenants=1&project_id=demo',
                    token=fixtures.ADMIN,
                ),
            )

    def test_patterns_that_make_others_backtrack_are_answered(self) -> None:
        document = fixtures.inventory()
        document['servers'][0]['name'] = 'a' * 255
        self.api.write_inventory(document)
        for pattern in ('(a*)*b', '(a|a)*b', '(.*){1,9}b', 'a*' * 100 + 'b$'):
            pattern = pattern.replace('+', '%2B')
            self.assertNotIn('a' * 255, self.names(f'?name={pattern}'))

    def test_invalid_patterns_are_refused(self) -> None:
        for pattern in (
            *('[', '(', '(?=a)', 'a' * 256, ''),
            '((a{99}){99}){99}',
            r'(a)\1',
        ):
            self.refused(
                'Invalid input for query parameters name. '
                f"Value: {pattern}. {pattern!r} is not a 'regex'",
                f'?name={pattern}',
            )

    def test_status(self) -> None:
        self.assertEqual(['web-2'], self.names('?status=SHUTOFF'))
        self.assertEqual(
            ['web-3', 'web-2', 'web-1'],
            self.names('?status=active&status=shutoff'),
        )
        self.assertEqual([], self.names('?status=nonsense', version='2.37'))
        self.refused(
            'Invalid status value', '?status=nonsense', version='2.38'
        )

    def test_users_do_not_list_deleted_servers(self) -> None:
        for path in BOTH:
            answer = self.get(f'{path}?status=deleted')
            self.assertEqual(403, answer.status_int)
            self.assertEqual(
                'Only administrators may list deleted instances',
                answer.json['forbidden']['message'],
            )
        self.assertEqual(
            [], self.names('?status=deleted', token=fixtures.ADMIN)
        )

    def test_filters_by_what_is_unknown_find_nothing(self) -> None:
        for query in (
            *('image=x', 'flavor=1', 'ip=192.0.2.1', 'locked=true'),
            *('changes-since=2026-01-01T00:00:00Z', 'tags=a'),
        ):
            self.assertEqual([], self.names(f'?{query}', version='2.73'))
        for query in (
            'locked=false',
            'changes-before=2026-01-01T00:00:00Z',
            'not-tags=a',
        ):
            found = self.names(f'?{query}', version='2.73')
            self.assertEqual(['web-3', 'web-2', 'web-1'], found)

    def test_administrators_use_every_filter(self) -> None:
        query = '?all_tenants=True&project_id=demo'
        for name, value, other in (
            ('host', 'compute-1', 'compute-2'),
            ('uuid', fixtures.STOPPED, fixtures.UNKNOWN),
            ('vm_state', 'stopped', 'paused'),
            ('power_state', '4', '3'),
            ('deleted', 'False', 'True'),
            ('tenant_id', 'demo', 'other'),
        ):
            for wanted, found in ((value, 'web-2'), (other, None)):
                names = self.names(
                    f'{query}&{name}={wanted}', token=fixtures.ADMIN
                )
                self.assertEqual(found is not None, 'web-2' in names, name)

    def test_other_filters_of_users_are_ignored(self) -> None:
        for query in ('host=compute-9', 'uuid=x', 'metadata=x', '_x=1'):
            self.assertEqual(3, len(self.names(f'?{query}')), query)
        self.assertEqual([], self.names('?vm_state=paused', version='2.83'))
        self.assertEqual(3, len(self.names('?vm_state=paused')))

    def test_filters_that_nova_refuses(self) -> None:
        for name in ('metadata', '_sa_instance_state'):
            self.refused(
                f'Invalid filter field: {name}.',
                f'?{name}=x',
                token=fixtures.ADMIN,
            )
        self.refused(
            'The value of changes-since must be less than or equal to '
            'changes-before.',
            '?changes-since=2026-01-02T00:00:00Z'
            '&changes-before=2026-01-01T00:00:00Z',
            version='2.66',
        )

    def test_unknown_parameters_are_refused_from_2_75_on(self) -> None:
        self.assertEqual(3, len(self.names('?nonsense=1', version='2.74')))
        self.refused(
            "'nonsense' does not match any of the regexes: '^_'",
            '?nonsense=1',
            version='2.75',
        )


class ProjectsTest(ServersTest):
    ALL = ['web-4', 'web-3', 'web-2', 'web-1']

    def test_administrators_list_all_projects(self) -> None:
        for value in ('1', 'True', ''):
            self.assertEqual(
                self.ALL,
                self.names(f'?all_tenants={value}', token=fixtures.ADMIN),
            )
        for value in ('0', 'False'):
            self.assertEqual(
                [], self.names(f'?all_tenants={value}', token=fixtures.ADMIN)
            )

    def test_all_tenants_is_a_truth_value(self) -> None:
        for token in (fixtures.ADMIN, fixtures.MEMBER):
            self.refused(
                "Unrecognized value 'x', acceptable values are: '0', '1', "
                "'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', "
                "'yes'",
                '?all_tenants=x',
                token=token,
            )

    def test_a_project_is_chosen_with_all_tenants_alone(self) -> None:
        for name in ('project_id', 'tenant_id'):
            self.assertEqual(
                ['web-4'],
                self.names(
                    f'?all_tenants=1&{name}=other', token=fixtures.ADMIN
                ),
            )
            self.assertEqual(
                [], self.names(f'?{name}=demo', token=fixtures.ADMIN)
            )
            # Horizon sends it.
            self.assertEqual(3, len(self.names(f'?{name}=other')))

    def test_callers_without_a_project_list_nothing(self) -> None:
        self.api.policy.write_text(
            '{"os_compute_api:servers:index": "@",'
            ' "os_compute_api:servers:detail": "@"}'
        )
        self.assertEqual([], self.names(token='nina::'))


class PagesTest(ServersTest):
    OPTIONS = {'api': {'max_limit': 2}}

    def pages(self, url: str, **request: Any) -> list[list[str]]:
        """The names on each page, as a client follows the links."""
        found: list[list[str]] = []
        while url:
            answer = self.get(url.removeprefix('http://localhost'), **request)
            self.assertEqual(200, answer.status_int, answer.text)
            found.append([it['name'] for it in answer.json['servers']])
            links = answer.json.get('servers_links', [])
            url = links[0]['href'] if links else ''
        return found

    def test_links_lead_through_all_pages(self) -> None:
        for path in BOTH:
            self.assertEqual([['web-3', 'web-2'], ['web-1']], self.pages(path))
            self.assertEqual(
                [['web-3'], ['web-2'], ['web-1'], []],
                self.pages(f'{path}?limit=1'),
            )
            self.assertEqual(
                [['web-1', 'web-2'], ['web-3', 'web-4'], []],
                self.pages(
                    f'{path}?all_tenants=1&limit=999999999999999999999'
                    '&sort_key=display_name&sort_dir=asc',
                    token=fixtures.ADMIN,
                ),
            )

    def test_links_keep_the_query_and_the_form_of_the_path(self) -> None:
        answer = self.get(
            '/v2.1/demo/servers/detail?limit=1&name=web%20?&status=ACTIVE'
            f'&status=SHUTOFF&marker={fixtures.BARE}'
        )
        (link,) = answer.json['servers_links']
        self.assertEqual(
            {
                'rel': 'next',
                'href': 'http://localhost/v2.1/demo/servers/detail?limit=1'
                '&name=web+%3F&status=ACTIVE&status=SHUTOFF'
                f'&marker={fixtures.STOPPED}',
            },
            link,
        )

    def test_a_limit_of_0(self) -> None:
        self.assertEqual({'servers': []}, self.get(f'{SERVERS}?limit=0').json)

    def test_the_marker_need_not_pass_the_filters(self) -> None:
        self.assertEqual(
            ['web-1'],
            self.names(f'?status=ACTIVE&marker={fixtures.STOPPED}'),
        )

    def test_an_unknown_marker(self) -> None:
        for marker in (fixtures.OTHERS, fixtures.UNKNOWN, 'x'):
            self.refused(f'marker [{marker}] not found', f'?marker={marker}')
        self.assertEqual(['web-3', 'web-2'], self.names('?marker='))

    def test_an_invalid_limit(self) -> None:
        for limit in ('-1', 'x', '1.5'):
            self.refused(
                f'Invalid input for query parameters limit. Value: {limit}. '
                f"{limit!r} does not match '^[0-9]*$'",
                f'?limit={limit}',
            )


class OrderTest(ServersTest):
    def test_sort_keys(self) -> None:
        newest = ['web-3', 'web-2', 'web-1']
        for query, found in (
            ('sort_dir=asc', newest[::-1]),
            ('sort_key=display_name', newest),
            ('sort_key=display_name&sort_dir=asc', newest[::-1]),
            ('sort_key=uuid&sort_dir=asc', newest[::-1]),
            # All others have the same value: those that nova ignores, too.
            ('sort_key=memory_mb&sort_dir=desc', newest),
            ('sort_key=launched_at', newest),
            (
                'sort_key=vm_state&sort_dir=desc&sort_key=display_name',
                ['web-2', 'web-3', 'web-1'],
            ),
        ):
            self.assertEqual(found, self.names(f'?{query}'), query)

    def test_invalid_keys_and_directions(self) -> None:
        self.refused(
            'Invalid input received: Unknown sort direction, must be '
            "'desc' or 'asc'",
            '?sort_dir=up',
        )
        self.refused(
            'Invalid input received: Sort direction size exceeds sort key '
            'size',
            '?sort_dir=asc&sort_dir=asc',
        )
        for key, version in (('nonsense', '2.1'), ('memory_mb', '2.75')):
            answer = self.get(f'{SERVERS}?sort_key={key}', version=version)
            self.assertEqual(400, answer.status_int)
            self.assertIn(
                f'Invalid input for query parameters sort_key. Value: {key}.',
                answer.text,
            )

    def test_users_do_not_sort_by_host(self) -> None:
        for key in ('host', 'node'):
            answer = self.get(f'{SERVERS}?sort_key={key}')
            self.assertEqual(403, answer.status_int)
            self.assertEqual(
                f'Only administrators can sort servers by {key}',
                answer.json['forbidden']['message'],
            )
            self.names(f'?sort_key={key}', token=fixtures.ADMIN)


class OffTest(testtools.TestCase):
    def check(self, api: fixtures.Api) -> None:
        """Check that the routes do not exist, and that others do."""
        for path in (*BOTH, f'{SERVERS}/{fixtures.SERVER}'):
            for method in ('GET', 'POST', 'OPTIONS'):
                answer = api.request(method, path)
                self.assertEqual(404, answer.status_int, path)
                self.assertEqual(
                    'The resource could not be found.',
                    answer.json['itemNotFound']['message'],
                )
        for _, path in Document(api).operations():
            self.assertNotIn(
                path,
                (*BOTH, f'{SERVERS}/{{server_id}}'),
            )

    def test_the_option(self) -> None:
        api = self.useFixture(fixtures.Api(api={'servers': False}))
        self.check(api)
        consoles = f'{SERVERS}/{fixtures.SERVER}/consoles'
        self.assertEqual(200, api.request('GET', consoles).status_int)

    def test_with_the_driver_nova_servers_are_novas(self) -> None:
        nova = {'auth_type': 'none', 'endpoint_override': 'http://127.0.0.1:1'}
        self.check(
            self.useFixture(
                fixtures.Api(compute={'driver': 'nova'}, nova=nova)
            )
        )

    def test_a_driver_that_cannot_list_servers(self) -> None:
        self.useFixture(
            fixtures_.MockPatch(
                'console_svc.compute.static.StaticDriver.lists_servers', False
            )
        )
        self.check(self.useFixture(fixtures.Api()))
