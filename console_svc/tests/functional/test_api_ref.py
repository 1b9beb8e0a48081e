# SPDX-License-Identifier: Apache-2.0

"""The api-ref and the OpenAPI document match the code."""

from collections.abc import Iterator
from typing import Any, ClassVar
from unittest import mock

import fixtures as fixtures_
import sqlalchemy as sa
import testtools
import webob

from console_svc.api import app, microversion
from console_svc.api.controllers import base
from console_svc.consoles import vault
from console_svc.db import tables
from console_svc.db.recording_tables import recording_accesses
from console_svc.tests import fixtures
from console_svc.tests.functional import api_ref
from console_svc.tests.functional.api_ref import Operation, ReadyApi
from console_svc.tests.functional.openapi import Document

OPERATIONS = api_ref.read()

# Changes that make a request fail; the last one makes none.
_WRONG: list[dict[str, Any]] = [
    {'token': None},
    {'token': 'nina:demo:'},
    {'server_id': fixtures.STOPPED},
    {
        'server_id': fixtures.UNKNOWN,
        'console_token': 'unknown',
        'console_id': '2',
        'session_id': 'unknown',
        'recording_id': 'unknown',
    },
    {'query': '?x=1'},
    {'query': '?limit=x'},
    {},
]
_WRONG_BODY: list[dict[str, Any]] = [
    {'body': '{'},
    {'body': '{}', 'Content_Type': 'text/plain'},
    {'body': ' ' * 200_000},
]


class RoutesTest(testtools.TestCase):
    def test_exactly_the_methods_of_each_path_are_documented(self) -> None:
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

    def test_every_controller_is_documented(self) -> None:
        api = self.useFixture(ReadyApi())
        reached = set()
        route = app.Application.route

        def recorded(*args: Any) -> base.Resource:
            resource = route(*args)
            reached.add(_name(type(resource)))
            return resource

        with mock.patch.object(app.Application, 'route', recorded):
            for operation in OPERATIONS:
                api.send(operation)
        self.assertEqual(
            {
                _name(controller)
                for controller in _below(base.Resource)
                if controller.methods
                # Other tests define some.
                and controller.__module__.startswith('console_svc.api.')
            },
            reached,
        )

    def test_the_openapi_document_has_the_same_operations(self) -> None:
        self.assertEqual(
            {(it.method, it.template) for it in OPERATIONS},
            Document(self.useFixture(ReadyApi())).operations(),
        )

    def test_the_openapi_document_has_the_same_titles(self) -> None:
        document = Document(self.useFixture(ReadyApi()))
        for operation in OPERATIONS:
            self.assertEqual(
                operation.title, document.operation(operation)['summary']
            )

    def test_every_named_microversion_is_documented(self) -> None:
        changes = {
            str(value)
            for value in vars(microversion).values()
            if isinstance(value, microversion.Version)
        }
        ends = {str(microversion.MIN), str(microversion.MAX)}
        self.assertEqual(changes - ends, api_ref.microversions())


class StatusesCase(testtools.TestCase):
    """Sends each operation of some files in every way that can fail.

    One class for all files would keep one test worker busy for long.
    """

    FILES: ClassVar[tuple[str, ...]]

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(fixtures_.FakeLogger())

    def check_statuses(self) -> None:
        """Check that a request gets the documented statuses and no other."""
        document = Document(self.useFixture(ReadyApi()))
        for file in self.FILES:
            for operation in api_ref.read_file(file):
                self.check_operation(document, operation)

    def check_operation(
        self, document: Document, operation: Operation
    ) -> None:
        got = set()
        for answer in self.answers(operation):
            got.add(answer.status_int)
            document.check(operation, answer)
            if answer.status_int < 300:
                self.assertEqual(
                    bool(operation.response.parameters)
                    # Only JSON has parameters.
                    or answer.content_type != 'application/json',
                    bool(answer.body),
                    f'{operation}: whether its response has a body',
                )
        self.assertEqual(set(operation.statuses), got, str(operation))
        self.assertEqual(
            got | self.general(operation),
            document.statuses(operation),
            str(operation),
        )

    def general(self, operation: Operation) -> set[int]:
        """The documented statuses of any request, but 405."""
        if operation.is_public:
            return set()
        return set(api_ref.general_statuses()) - {405}

    def answers(self, operation: Operation) -> Iterator[webob.Response]:
        """Responses at the oldest and at the newest microversion."""
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
            # The following failures are not caused by the request.
            # A sample names its session, so that repeating it opens no other.
            with api.database.writing() as connection:
                ids = connection.scalars(
                    sa.select(tables.console_sessions.c.session_id)
                ).all()
            for session_id in ids:
                api.request(
                    'DELETE',
                    f'/v2.1/console-sessions/{session_id}',
                    token=fixtures.SERVICE,
                )
            yield api.send(operation, version=version)
            servers = api.inventory.read_bytes()
            api.write_inventory({'servers': []})
            yield api.send(operation, version=version)
            api.inventory.write_bytes(servers)
            with api.database.writing() as connection:
                connection.execute(recording_accesses.delete())
            yield api.send(operation, version=version)
            api.key_file.unlink()
            vault.create_key_file(api.key_file)
            yield api.send(operation, version=version)
            # Log in with a wrong password, which locks the console.
            encrypted = vault.Vault(api.conf).encrypt('another')
            with api.database.writing() as connection:
                connection.execute(
                    tables.consoles.update().values(
                        encrypted_password=encrypted
                    )
                )
            yield api.send(operation, version=version)
            tables.metadata.drop_all(api.database.engine)
            yield api.send(operation, version=version)
            # A service that has never read its inventory.
            api.inventory.unlink()
            api.app = app.build(api.conf)
            yield api.send(operation, version=version)


class ConsolesStatusesTest(StatusesCase):
    FILES = (
        'os-consoles.inc',
        'os-remote-consoles.inc',
        'servers-action-console.inc',
        'servers.inc',
    )

    def test_each_operation_documents_its_statuses(self) -> None:
        self.check_statuses()


class SessionsStatusesTest(StatusesCase):
    FILES = ('sessions.inc', 'recordings.inc')

    def test_each_operation_documents_its_statuses(self) -> None:
        self.check_statuses()


class OtherStatusesTest(StatusesCase):
    FILES = (
        'console-gateway.inc',
        'openapi.inc',
        'os-console-auth-tokens.inc',
        'versions.inc',
    )

    def test_each_operation_documents_its_statuses(self) -> None:
        self.check_statuses()


class StatusesTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.useFixture(fixtures_.FakeLogger())

    def test_every_file_has_a_test_of_its_statuses(self) -> None:
        tested = [
            file
            for case in StatusesCase.__subclasses__()
            for file in case.FILES
        ]
        self.assertEqual(
            sorted(file.name for file in api_ref.SOURCE.glob('*.inc')),
            sorted(tested),
        )

    def test_what_any_request_may_get(self) -> None:
        documented = set(api_ref.general_statuses())
        api = self.useFixture(ReadyApi())
        document = Document(api)
        for operation in OPERATIONS:
            if operation.is_public:
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
            for answer in answers:
                if answer.status_int != 405:
                    document.check(operation, answer)

    def test_every_description_of_a_status_is_used(self) -> None:
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


def _name(controller: type[Any]) -> str:
    # A dataclass with slots is made of another class of the same name.
    return f'{controller.__module__}.{controller.__qualname__}'


def _below(parent: type[Any]) -> set[type[Any]]:
    """All subclasses, at any depth."""
    children = set(parent.__subclasses__())
    return children.union(*map(_below, children))
