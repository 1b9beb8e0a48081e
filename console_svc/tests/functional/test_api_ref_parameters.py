# SPDX-License-Identifier: Apache-2.0

"""The api-ref, the OpenAPI document and the code have the same parameters."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import fixtures as fixtures_
import jsonschema
import testtools

from console_svc.api.middleware import noauth2
from console_svc.api.middleware.branch import PUBLIC_PATHS
from console_svc.db import tables
from console_svc.tests.functional import api_ref
from console_svc.tests.functional.api_ref import Operation, ReadyApi
from console_svc.tests.functional.openapi import Document

OPERATIONS = api_ref.read()

# Headers of responses that are not the API's.
_HTTP = {'accept-ranges', 'content-length', 'content-type'}

# Headers with which a request asks for a part of a body (RFC 9110).
_RANGES = {'IF-MODIFIED-SINCE', 'IF-NONE-MATCH', 'IF-RANGE', 'RANGE'}


class BodiesTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.api = self.useFixture(ReadyApi())
        self.document = Document(self.api)

    def test_every_parameter_is_used_and_defined(self) -> None:
        used = {
            key
            for operation in OPERATIONS
            for message in (operation.request, operation.response)
            for _, key in message.parameters
        }
        self.assertEqual(set(api_ref.PARAMETERS), used)

    def test_parameters_of_requests(self) -> None:
        for operation in OPERATIONS:
            forms = self.document.request_forms(operation)
            self.described(operation, operation.request, forms)
            for sample in operation.request.samples:
                self.valid(sample, forms)

    def test_parameters_of_responses(self) -> None:
        for operation in OPERATIONS:
            forms = self.document.answer_forms(operation)
            self.described(operation, operation.response, forms)
            for sample in operation.response.samples:
                self.valid(sample, forms)

    def described(
        self,
        operation: Operation,
        message: api_ref.Message,
        forms: Sequence[Mapping[str, Any]],
    ) -> None:
        """The documented parameters of a body are those of its schemas."""
        described = message.described('body')
        found: dict[str, list[tuple[bool, Any]]] = {}
        for form in forms:
            for name, property_ in _properties(form):
                found.setdefault(name, []).append(property_)
        self.assertEqual(set(found), set(described), str(operation))
        for name, descriptions in described.items():
            what = f'{operation}: {name}'
            for description in descriptions:
                self.property(what, description, found[name], len(forms))

    def property(
        self,
        what: str,
        documented: Mapping[str, Any],
        found: Sequence[tuple[bool, Mapping[str, Any]]],
        forms: int,
    ) -> None:
        """The description of a parameter matches its schemas."""
        required = len(found) >= forms and all(it for it, _ in found)
        self.assertEqual(required, documented['required'], what)
        text = documented['description']
        rules = [it for _, it in found if documented['type'] in _types(it)]
        self.assertNotEqual([], rules, f'{what}: {documented["type"]}')
        self.assertEqual(
            '``null``' in text,
            any('null' in _types(it) for it in rules),
            f'{what}: whether it may be null',
        )
        for value in (it for rule in rules for it in rule.get('enum', ())):
            self.assertIn(f'``{value}``', text, what)

    def valid(self, sample: str, forms: Sequence[Mapping[str, Any]]) -> None:
        """A sample matches one of these forms."""
        jsonschema.validate(api_ref.document(sample), {'anyOf': forms})


class PathsTest(testtools.TestCase):
    def test_ids_in_paths(self) -> None:
        document = Document(self.useFixture(ReadyApi()))
        for operation in OPERATIONS:
            names = set(re.findall(r'{(\w+)}', operation.path))
            self.assertEqual(
                (names, names),
                (
                    set(operation.request.described('path')),
                    document.parameters_of(operation, 'path'),
                ),
                str(operation),
            )


class ReadTest(testtools.TestCase):
    """The query parameters and headers that the code reads are documented."""

    def setUp(self) -> None:
        super().setUp()
        self.api = self.useFixture(ReadyApi())
        self.document = Document(self.api)
        self.read: set[str] = set()
        application = self.api.app
        self.api.app = lambda environ, start: application(
            _Environ(environ, self.read), start
        )
        # WebOb accepts the type dict alone, no subclass.
        self.useFixture(
            fixtures_.MockPatch(
                'webob.request.type',
                lambda it: dict if isinstance(it, _Environ) else type(it),
                create=True,
            )
        )

    def send(self, operation: Operation) -> None:
        """Send it at the newest microversion, with both version headers."""
        self.read.clear()
        answer = self.api.send(
            operation, version='latest', X_OpenStack_Nova_API_Version='2.1'
        )
        self.assertLess(answer.status_int, 500)

    def test_headers(self) -> None:
        documented = {name.upper() for name in self.headers()}
        self.assertEqual(
            documented,
            {name.upper() for name in api_ref.general_headers('Requests')},
        )
        for operation in OPERATIONS:
            self.send(operation)
            read = {
                name.removeprefix('HTTP_').replace('_', '-')
                for name in self.read
                if name.startswith('HTTP_')
                and not name.startswith(noauth2.IDENTITY)
            }
            # Those that clients need before they have a token.
            is_public = operation.path in PUBLIC_PATHS
            unread = {'X-AUTH-TOKEN'} if is_public else set()
            self.assertEqual(
                documented - unread,
                read - {'HOST'} - _RANGES,
                f'{operation}: its headers',
            )
            self.assertEqual({}, operation.request.described('header'))

    def headers(self) -> set[str]:
        """The names of all headers in the OpenAPI document."""
        return {it['name'] for it in self.document.parameters.values()} | {
            it['name'] for it in self.document.security.values()
        }

    def test_query_parameters(self) -> None:
        for operation in OPERATIONS:
            self.send(operation)
            described = set(operation.request.described('query'))
            self.assertEqual(
                described, self.document.parameters_of(operation, 'query')
            )
            refused = operation.statuses.get(400) == 'query'
            self.assertEqual(
                bool(described) or refused,
                'QUERY_STRING' in self.read,
                f'{operation}: whether it reads its query',
            )

    def test_both_microversion_headers_are_read(self) -> None:
        for headers in (
            {'OpenStack_API_Version': 'compute 2.31'},
            {'X_OpenStack_Nova_API_Version': '2.31'},
        ):
            answer = self.api.request('GET', '/', token=None, **headers)
            self.assertEqual(
                '2.31', answer.headers['X-OpenStack-Nova-API-Version']
            )


class AnsweredTest(testtools.TestCase):
    """The headers of responses are documented."""

    def test_headers(self) -> None:
        api = self.useFixture(ReadyApi())
        document = Document(api)
        documented = {it.lower() for it in api_ref.general_headers('Answers')}
        # Allow is for methods that are not operations.
        self.assertEqual(
            documented - {'allow'}, {it.lower() for it in document.headers}
        )
        path = f'{api_ref.SERVER}/consoles'
        answers = [
            *(api.send(operation) for operation in OPERATIONS),
            api.request('GET', path, token=None),
            api.request('PATCH', path),
        ]
        tables.metadata.drop_all(api.database.engine)
        answers.append(api.request('GET', path))
        self.assertEqual(
            documented,
            {name.lower() for it in answers for name in it.headers} - _HTTP,
        )


class _Environ(dict[str, Any]):
    """A WSGI environ that records which keys are read.

    :param read: the keys
    """

    def __init__(self, environ: Mapping[str, Any], read: set[str]) -> None:
        super().__init__(environ)
        self._read = read

    def __getitem__(self, name: str) -> Any:
        self._read.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self._read.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._read.add(name)
        return super().get(name, default)


def _properties(
    schema: Mapping[str, Any],
) -> Iterator[tuple[str, tuple[bool, Mapping[str, Any]]]]:
    """The properties of a schema, at any depth: name, required, rules.

    Those of links and media types are left out.
    """
    for name, rules in schema.get('properties', {}).items():
        yield name, (name in schema.get('required', ()), rules)
        if not name.endswith('links') and name != 'media-types':
            yield from _properties(rules)
            yield from _properties(rules.get('items', {}))


def _types(rules: Mapping[str, Any]) -> Sequence[str]:
    types = rules['type']
    return [types] if isinstance(types, str) else types
