# SPDX-License-Identifier: Apache-2.0

"""The OpenAPI document, as tests read it."""

from collections.abc import Mapping, Sequence
from typing import Any

import jsonschema
import webob

from console_svc.tests import fixtures
from console_svc.tests.functional import api_ref


class Document:
    """The document of an API.

    :param api: it is requested without a token
    """

    def __init__(self, api: fixtures.Api) -> None:
        answer = api.request('GET', '/openapi.json', token=None)
        self.content: Mapping[str, Any] = answer.json
        components = self.content['components']
        self.parameters: Mapping[str, Any] = components['parameters']
        self.headers: Mapping[str, Any] = components['headers']
        self.security: Mapping[str, Any] = components['securitySchemes']

    def operations(self) -> set[tuple[str, str]]:
        """All methods and paths."""
        return {
            (method.upper(), path)
            for path, item in self.content['paths'].items()
            for method in item
        }

    def operation(self, section: api_ref.Operation) -> Mapping[str, Any]:
        """The operation that a section of the api-ref describes."""
        item: Mapping[str, Any] = self.content['paths'][section.template]
        operation: Mapping[str, Any] = item[section.method.lower()]
        return operation

    def statuses(self, section: api_ref.Operation) -> set[int]:
        """The statuses of all responses."""
        return {int(it) for it in self.operation(section)['responses']}

    def parameters_of(
        self, section: api_ref.Operation, place: str
    ) -> set[str]:
        """The names of the parameters in the path, query or headers."""
        found = [
            self.parameters[it['$ref'].rpartition('/')[2]]
            if '$ref' in it
            else it
            for it in self.operation(section)['parameters']
        ]
        return {it['name'] for it in found if it['in'] == place}

    def request_forms(
        self, section: api_ref.Operation
    ) -> Sequence[Mapping[str, Any]]:
        """The schemas of a request's body."""
        return _forms(self.operation(section).get('requestBody', {}))

    def answer_forms(
        self, section: api_ref.Operation
    ) -> Sequence[Mapping[str, Any]]:
        """The schemas of the body of a successful response."""
        responses = self.operation(section)['responses']
        return _forms(next(it for at, it in responses.items() if at < '300'))

    def check(
        self, section: api_ref.Operation, answer: webob.Response
    ) -> None:
        """Check that a response is as described.

        :raises AssertionError: its status or headers are not
        :raises jsonschema.ValidationError: its body is not
        """
        responses = self.operation(section)['responses']
        described = responses[str(answer.status_int)]
        for name, header in described['headers'].items():
            if '$ref' in header:
                assert header['$ref'] == f'#/components/headers/{name}'
                header = self.headers[name]
            if not header['required'] and name not in answer.headers:
                continue
            assert name in answer.headers, f'{name} is missing'
            rules = dict(header['schema'])
            value: Any = answer.headers[name]
            if rules['type'] == 'integer':
                value = int(value)
            jsonschema.validate(value, rules)
        if not answer.body:
            assert 'content' not in described, 'there is no body'
            return
        schema = described['content'][answer.content_type]['schema']
        is_json = answer.content_type == 'application/json'
        # jsonschema.validate would check the whole schema each time.
        jsonschema.Draft202012Validator(
            {**schema, 'components': self.content['components']},
            format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
        ).validate(answer.json if is_json else answer.body.decode())


def _forms(message: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return [
        form
        for media in message.get('content', {}).values()
        for form in media['schema'].get('anyOf', [media['schema']])
    ]
