# SPDX-License-Identifier: Apache-2.0

"""The service does what its OpenAPI document says, whatever it is asked.

Requests are made from the document by schemathesis: each operation by itself,
with what is valid and what is not, and one after another by the document's
links. The same ones in each run.
"""

import collections
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import hypothesis
import requests
import schemathesis
import sqlalchemy as sa
import testtools
from hypothesis import strategies
from schemathesis.generation import GenerationMode

from console_svc.api.middleware.branch import PUBLIC_PATHS
from console_svc.db import tables
from console_svc.tests import fixtures
from console_svc.tests.integration.service import Service

PERSONAS = (
    fixtures.ADMIN,
    fixtures.MEMBER,
    fixtures.READER,
    fixtures.SERVICE,
    fixtures.STRANGER,
)
# OpenAPI's expressions can't look into a text: this is schemathesis' own.
_TOKEN = '$response.body#/{}/url#regex:token(?:=|%3D)([A-Za-z0-9_-]+)'
#: Operations that issue tokens -> the member of their answers with the URL.
ISSUING = {
    'remote_consoles_create': 'remote_console',
    'action_act': 'console',
}
#: Those that take one.
TAKING = (
    'console_auth_token_show',
    'console_auth_token_delete',
    'token_sessions_create',
)


def settings(examples: int, **more: Any) -> hypothesis.settings:
    """The same requests in each run, and no more than so many."""
    return hypothesis.settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
        **more,
    )


# What schemathesis expects of others, and why it is not so here.
BY_DESIGN = [
    # noauth2 believes everybody.
    'ignored_auth',
    # Which consoles a server has is no matter of the schema, nor is which
    # microversion has which form: 400, as from the compute API.
    'positive_data_acceptance',
]


def operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All that there are."""
    for item in document['paths'].values():
        yield from item.values()


def with_ids(document: dict[str, Any]) -> None:
    """Say what a document can't know: which ids there may be."""
    ids = {
        'server_id': [
            fixtures.SERVER,
            fixtures.STOPPED,
            fixtures.BARE,
            fixtures.UNKNOWN,
        ],
        'console_id': [1, 2],
    }
    for operation in operations(document):
        for parameter in operation['parameters']:
            if parameter.get('name') in ids:
                parameter['schema'] = {'enum': ids[parameter['name']]}


def of_one_server(document: dict[str, Any]) -> None:
    """Know of no other server: so that links begin where there is one."""
    document['paths'] = {
        path.replace('{server_id}', fixtures.SERVER): item
        for path, item in document['paths'].items()
    }
    for operation in operations(document):
        operation['parameters'] = [
            parameter
            for parameter in operation['parameters']
            if parameter.get('name') != 'server_id'
        ]
        for answer in operation['responses'].values():
            for link in answer.get('links', {}).values():
                link['parameters'].pop('server_id', None)


def with_consoles(document: dict[str, Any]) -> None:
    """Ask for nothing but the consoles that the server has."""
    wanted = [
        {'remote_console': {'protocol': protocol, 'type': console_type}}
        for protocol, console_type in (
            ('vnc', 'novnc'),
            ('spice', 'spice-direct'),
            ('rdp', 'rdp-html5'),
            ('serial', 'serial'),
        )
    ]
    for operation in operations(document):
        if operation['operationId'] == 'remote_consoles_create':
            content = operation['requestBody']['content']
            content['application/json']['schema'] = {'enum': wanted}


def without_headers(document: dict[str, Any]) -> None:
    """Know of no headers of requests."""
    for operation in operations(document):
        operation['parameters'] = [
            parameter
            for parameter in operation['parameters']
            if '$ref' not in parameter
        ]


def with_tokens(document: dict[str, Any]) -> None:
    """Add the links from a console's URL to what its token is good for."""
    for operation in operations(document):
        member = ISSUING.get(operation['operationId'])
        if member:
            operation['responses']['200']['links'] = {
                name: {
                    'operationId': name,
                    'parameters': {'console_token': _TOKEN.format(member)},
                }
                for name in TAKING
            }


def linked(document: Mapping[str, Any]) -> set[str]:
    """The operations at both ends of links; schemathesis adds its own."""
    return {
        name
        for operation in operations(document)
        for answer in operation['responses'].values()
        for link in answer.get('links', {}).values()
        if 'operationId' in link
        for name in (operation['operationId'], link['operationId'])
    }


class OpenApiTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.service = self.useFixture(Service())
        self.session = requests.Session()
        self.addCleanup(self.session.close)

    def schema(
        self,
        *changes: Callable[[dict[str, Any]], None],
        excluded: Sequence[str] = (),
    ) -> Any:
        """The document as schemathesis reads it.

        :param changes: are made to it before
        :param excluded: checks that are not made
        """
        document = self.service.request('GET', '/openapi.json').json()
        for change in changes:
            change(document)
        schema = schemathesis.openapi.from_dict(document)
        schema.config.update(base_url=self.service.url)
        schema.config.checks.update(
            excluded_check_names=[*BY_DESIGN, *excluded]
        )
        return schema

    def test_what_is_valid(self) -> None:
        for result in self.schema(with_ids).get_all_operations():
            self.ask(result.ok().as_strategy())

    def test_bodies_and_paths_that_are_not(self) -> None:
        self.ask_wrong(self.schema(with_ids, without_headers))

    def test_headers_that_are_not(self) -> None:
        # Microversions of other services are ignored, and ids of no request.
        self.ask_wrong(
            self.schema(with_ids, excluded=['negative_data_rejection'])
        )

    def ask_wrong(self, schema: Any) -> None:
        """What is not as the document has it."""
        for result in schema.get_all_operations():
            operation = result.ok()
            # Of the public ones nothing could be wrong.
            if operation.path not in PUBLIC_PATHS:
                wrong = GenerationMode.NEGATIVE
                self.ask(operation.as_strategy(generation_mode=wrong))

    def ask(self, cases: strategies.SearchStrategy[Any]) -> None:
        """As anybody, and see what is answered."""

        @settings(20)
        @hypothesis.given(case=cases, token=strategies.sampled_from(PERSONAS))
        def ask(case: Any, token: str) -> None:
            case.call_and_validate(
                session=self.session, headers={'X-Auth-Token': token}
            )

        ask()

    def test_one_after_another(self) -> None:
        schema = self.schema(
            of_one_server,
            with_ids,
            with_consoles,
            with_tokens,
            without_headers,
        )
        schema.config.generation.update(modes=[GenerationMode.POSITIVE])
        answered: dict[str, set[int]] = collections.defaultdict(set)
        session, forget = self.session, self.forget

        class Machine(schema.as_state_machine()):  # type: ignore[misc]
            def setup(self) -> None:
                forget()

            def get_call_kwargs(self, case: Any) -> dict[str, Any]:
                versions = case.operation.definition.raw.get('x-openstack', {})
                version = versions.get('max-ver', 'latest')
                return {
                    'session': session,
                    'headers': {
                        'X-Auth-Token': fixtures.ADMIN,
                        'OpenStack-API-Version': f'compute {version}',
                    },
                }

            def after_call(self, response: Any, case: Any) -> None:
                super().after_call(response, case)
                name = case.operation.definition.raw['operationId']
                answered[name].add(response.status_code)

        Machine.run(settings=settings(50, stateful_step_count=20))
        self.assertEqual(
            linked(schema.raw_schema),
            {
                name
                for name, statuses in answered.items()
                if min(statuses) < 300
            },
        )

    def forget(self) -> None:
        """What there is depends on nothing that was done before."""
        with self.service.database.engine.begin() as connection:
            for table in reversed(tables.metadata.sorted_tables):
                connection.execute(table.delete())
            connection.execute(sa.text('DELETE FROM sqlite_sequence'))
