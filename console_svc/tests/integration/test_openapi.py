# SPDX-License-Identifier: Apache-2.0

"""The service behaves as its OpenAPI document describes.

schemathesis generates requests from the document: valid and invalid ones for
each operation, and sequences that follow the document's links. They are the
same in each run.
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
# An extension of schemathesis: OpenAPI's expressions have no regexes.
_TOKEN = '$response.body#/{}/url#regex:token(?:=|%3D)([A-Za-z0-9_-]+)'
#: Operations that issue tokens -> the member of the answer with the URL.
ISSUING = {
    'remote_consoles_create': 'remote_console',
    'action_act': 'console',
}
#: Operations with a token in the path.
TAKING = (
    'console_auth_token_show',
    'console_auth_token_delete',
    'token_sessions_create',
)


def settings(examples: int, **more: Any) -> hypothesis.settings:
    """Return settings for a number of reproducible examples."""
    return hypothesis.settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
        **more,
    )


# Checks of schemathesis that do not apply, and why.
BY_DESIGN = [
    # noauth2 accepts any token.
    'ignored_auth',
    # The schema has neither the consoles of a server nor the differences
    # between microversions: valid requests may get a 400, as in nova.
    'positive_data_acceptance',
]


def operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield all operations of a document."""
    for item in document['paths'].values():
        yield from item.values()


def with_ids(document: dict[str, Any]) -> None:
    """Restrict ids to those of the fixtures."""
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
    """Replace the server id, so that every link starts at that server."""
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
    """Restrict the requested consoles to those that the server has."""
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


def with_sessions(document: dict[str, Any]) -> None:
    """Restrict requests for sessions to those that open one.

    Others ask to join a session, or to resume or take over one.
    """
    for operation in operations(document):
        if operation['operationId'] == 'token_sessions_create':
            content = operation['requestBody']['content']
            content['application/json']['schema'] = {'enum': [{'session': {}}]}


def without_headers(document: dict[str, Any]) -> None:
    """Remove the headers of requests."""
    for operation in operations(document):
        operation['parameters'] = [
            parameter
            for parameter in operation['parameters']
            if '$ref' not in parameter
        ]


def without_filters(document: dict[str, Any]) -> None:
    """Remove the queries of lists of sessions, which leave most out.

    With ids that no operation creates, schemathesis would also start no
    sequence with them.
    """
    for operation in operations(document):
        if operation['operationId'] == 'server_sessions_list':
            operation['parameters'] = [
                parameter
                for parameter in operation['parameters']
                if parameter.get('in') != 'query'
            ]


def with_tokens(document: dict[str, Any]) -> None:
    """Add links from a console's URL to the operations on its token."""
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
    """Return the operations at both ends of all links."""
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
        """Load the document in schemathesis.

        :param changes: functions that change the document before
        :param excluded: checks to skip
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

    def test_valid_requests(self) -> None:
        for result in self.schema(with_ids).get_all_operations():
            self.check(result.ok().as_strategy())

    def test_invalid_bodies_and_paths(self) -> None:
        self.check_invalid(self.schema(with_ids, without_headers))

    def test_invalid_headers(self) -> None:
        # Microversions of other services and invalid request ids are ignored,
        # so invalid headers are not always rejected.
        self.check_invalid(
            self.schema(with_ids, excluded=['negative_data_rejection'])
        )

    def check_invalid(self, schema: Any) -> None:
        """Check requests that do not match the document."""
        # Unknown parameters of queries are ignored, as in nova.
        schema.config.generation.update(allow_extra_parameters=False)
        for result in schema.get_all_operations():
            operation = result.ok()
            # Requests of public paths cannot be invalid.
            if operation.path not in PUBLIC_PATHS:
                negative = GenerationMode.NEGATIVE
                self.check(operation.as_strategy(generation_mode=negative))

    def check(self, cases: strategies.SearchStrategy[Any]) -> None:
        """Send requests as any persona, and check the answers."""

        @settings(20)
        @hypothesis.given(case=cases, token=strategies.sampled_from(PERSONAS))
        def ask(case: Any, token: str) -> None:
            case.call_and_validate(
                session=self.session, headers={'X-Auth-Token': token}
            )

        ask()

    def test_sequences_of_requests(self) -> None:
        schema = self.schema(
            of_one_server,
            with_ids,
            with_consoles,
            with_sessions,
            with_tokens,
            without_filters,
            without_headers,
        )
        schema.config.generation.update(modes=[GenerationMode.POSITIVE])
        # The links of the document alone.
        schema.config.phases.stateful.inference.algorithms.clear()
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
        """Delete all rows, so that each sequence starts afresh."""
        with self.service.database.engine.begin() as connection:
            for table in reversed(tables.metadata.sorted_tables):
                connection.execute(table.delete())
            connection.execute(sa.text('DELETE FROM sqlite_sequence'))
