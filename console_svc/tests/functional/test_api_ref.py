# SPDX-License-Identifier: Apache-2.0

"""The api-ref says what the code does."""

import gc
import re
from collections.abc import Iterator
from typing import Any
from unittest import mock

import fixtures as fixtures_
import jsonschema
import testtools
import webob

from console_svc.api import app, microversion, schemas
from console_svc.api.controllers import base, root, servers
from console_svc.consoles import passwords
from console_svc.db import models
from console_svc.tests import fixtures
from console_svc.tests.functional import api_ref
from console_svc.tests.functional.api_ref import Operation, ReadyApi

OPERATIONS = api_ref.read()

#: What checks the bodies that requests bring.
SCHEMAS = {
    'POST /servers/{server_id}/remote-consoles': [
        schemas.remote_consoles(microversion.MAX)
    ],
    'POST /servers/{server_id}/action': [*schemas.ACTIONS.values()],
    'POST /os-console-auth-tokens/{console_token}/sessions': [schemas.SESSION],
    'PUT /console-sessions': [schemas.KEPT_SESSIONS],
    'POST /console-gateway/authentications': [schemas.AUTHENTICATION],
}

# A request, and what is wrong with it; the last one with nothing.
_WRONG: list[dict[str, Any]] = [
    {'token': None},
    {'token': 'nina:demo:'},
    {'server_id': fixtures.STOPPED},
    {
        'server_id': fixtures.UNKNOWN,
        'console_token': 'unknown',
        'console_id': '2',
        'session_id': 'unknown',
    },
    {'query': '?x=1'},
    {},
]
_WRONG_BODY: list[dict[str, Any]] = [
    {'body': '{'},
    {'body': '{}', 'Content_Type': 'text/plain'},
    {'body': ' ' * 200_000},
]


class RoutesTest(testtools.TestCase):
    def test_every_method_of_a_path_is_documented_and_no_other(self) -> None:
        api = self.useFixture(ReadyApi())
        for documented in OPERATIONS:
            answer = api.request(
                'OPTIONS', api.path(documented), token=fixtures.ADMIN
            )
            self.assertEqual(
                {
                    operation.method
                    for operation in OPERATIONS
                    if operation.path == documented.path
                },
                set(answer.headers['Allow'].split(', ')) - {'HEAD'},
                documented.path,
            )

    def test_every_controller_has_a_path(self) -> None:
        api = self.useFixture(ReadyApi())
        reached = set()
        route = app.Application.route

        def recorded(*args: Any) -> base.Resource:
            resource = route(*args)
            reached.add(type(resource))
            return resource

        with mock.patch.object(app.Application, 'route', recorded):
            for operation in OPERATIONS:
                api.send(operation)
        self.assertEqual(
            {
                controller
                for controller in _below(base.Resource)
                if controller.index is not None
            },
            reached,
        )

    def test_every_segment_is_documented_and_no_other(self) -> None:
        paths = {operation.path for operation in OPERATIONS}
        names = servers.CHILDREN | servers.EXTENSIONS
        self.assertEqual(
            set(names),
            {path.split('/')[3] for path in paths if 'servers/' in path},
        )
        self.assertEqual(
            set(root.RESOURCES | root.EXTENSIONS),
            {path.split('/')[1] for path in paths} - {'', 'v2.1'},
        )

    def test_every_microversion_that_changes_something(self) -> None:
        changes = {
            str(value)
            for value in vars(microversion).values()
            if isinstance(value, microversion.Version)
        }
        ends = {str(microversion.MIN), str(microversion.MAX)}
        self.assertEqual(changes - ends, api_ref.microversions())


class StatusesTest(testtools.TestCase):
    """Each operation, with everything that may be wrong."""

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(fixtures_.FakeLogger())

    def test_every_status_of_a_request(self) -> None:
        for operation in OPERATIONS:
            got = set()
            for answer in self.answers(operation):
                got.add(answer.status_int)
                if answer.status_int < 300:
                    self.assertEqual(
                        bool(operation.response.samples),
                        bool(answer.body),
                        f'{operation}: the body of its answer',
                    )
            self.assertEqual(set(operation.statuses), got, str(operation))

    def answers(self, operation: Operation) -> Iterator[webob.Response]:
        """By the oldest and by the newest microversion."""
        wrong = _WRONG
        if operation.method == 'POST' or operation.request.samples:
            wrong = _WRONG_BODY + _WRONG
        for version in '2.1', 'latest':
            # The token has opened a session, and can open one more.
            api = self.useFixture(
                ReadyApi(consoleauth={'max_uses': 2}, rfb={'max_failures': 1})
            )
            for request in wrong:
                yield api.send(operation, **request, version=version)
            # From here on the request is not to blame.
            servers = api.inventory.read_bytes()
            api.write_inventory({'servers': []})
            yield api.send(operation, version=version)
            api.inventory.write_bytes(servers)
            api.key_file.unlink()
            passwords.create_key_file(api.key_file)
            for _ in range(2):
                # The first log-in fails, and locks the console.
                yield api.send(operation, version=version)
            models.metadata.drop_all(api.database.engine)
            yield api.send(operation, version=version)

    def test_what_any_request_may_get(self) -> None:
        documented = set(api_ref.general_statuses())
        api = self.useFixture(ReadyApi())
        for operation in OPERATIONS:
            if operation.path in ('/', '/v2.1'):
                continue
            path = api.path(operation)
            with mock.patch.object(
                app.Application, 'route', side_effect=RuntimeError
            ):
                broken = api.send(operation)
            answers = [
                broken,
                api.send(operation, version='9.9'),
                api.send(operation, version='nonsense'),
                api.request('PATCH', path),
                api.request(operation.method, path, body=' ' * 200_000),
            ]
            self.assertEqual(
                documented,
                {answer.status_int for answer in answers},
                str(operation),
            )

    def test_every_text_is_used(self) -> None:
        used = [operation.statuses for operation in OPERATIONS]
        used.append(api_ref.general_statuses())
        self.assertEqual(
            {
                (code, word)
                for code, texts in api_ref.STATUS.items()
                for word in texts
            },
            {item for statuses in used for item in statuses.items()},
        )


class ParametersTest(testtools.TestCase):
    def test_every_parameter_is_used_and_defined(self) -> None:
        used = {
            key
            for operation in OPERATIONS
            for message in (operation.request, operation.response)
            for _, key in message.parameters
        }
        self.assertEqual(set(api_ref.PARAMETERS), used)

    def test_the_path_of_a_request(self) -> None:
        for operation in OPERATIONS:
            self.assertEqual(
                set(re.findall(r'{(\w+)}', operation.path)),
                set(operation.request.described('path')),
                str(operation),
            )

    def test_the_body_of_a_request(self) -> None:
        for operation in OPERATIONS:
            described = operation.request.described('body')
            validators = SCHEMAS.get(str(operation), [])
            self.assertEqual(
                {
                    name
                    for validator in validators
                    for name in _properties(validator.schema)
                },
                set(described),
                str(operation),
            )
            for name, (description,) in described.items():
                self.property(
                    f'{operation}: {name}',
                    description,
                    [_properties(it.schema).get(name) for it in validators],
                )
            for sample in operation.request.samples:
                self.assertTrue(
                    any(
                        it.is_valid(api_ref.document(sample))
                        for it in validators
                    ),
                    f'{sample} is no body of {operation}',
                )

    def property(
        self,
        what: str,
        documented: dict[str, Any],
        found: list[tuple[bool, dict[str, Any]] | None],
    ) -> None:
        """A property is described as the schemas have it."""
        required = all(item is not None and item[0] for item in found)
        self.assertEqual(required, documented['required'], what)
        for _, rules in filter(None, found):
            self.assertEqual(documented['type'], rules['type'], what)
            for value in rules.get('enum', ()):
                self.assertIn(f'``{value}``', documented['description'], what)

    def test_the_body_of_an_answer(self) -> None:
        for operation in OPERATIONS:
            described = operation.response.described('body')
            members = [
                member
                for sample in operation.response.samples
                for member in _members(api_ref.document(sample))
            ]
            self.assertEqual(
                {name for name, _ in members}, set(described), str(operation)
            )
            for name, value in members:
                types = [it['type'] for it in described[name]]
                if value is not None:
                    jsonschema.validate(value, {'type': types})


def _below(parent: type[Any]) -> set[type[Any]]:
    """The subclasses, and theirs."""
    # A dataclass with slots is made of another class, which lives until then.
    gc.collect()
    children = set(parent.__subclasses__())
    return children.union(*map(_below, children))


def _properties(
    schema: dict[str, Any],
) -> dict[str, tuple[bool, dict[str, Any]]]:
    """Name -> whether it is required, and its rules; nested ones too."""
    found = {}
    for name, rules in schema.get('properties', {}).items():
        found[name] = (name in schema.get('required', ()), rules)
        found |= _properties(rules)
    return found


def _members(document: Any) -> Iterator[tuple[str, Any]]:
    """Names and values, nested ones too; links are not taken apart."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield name, value
            if name not in ('links', 'media-types'):
                yield from _members(value)
    elif isinstance(document, list):
        for item in document:
            yield from _members(item)
