# SPDX-License-Identifier: Apache-2.0

"""The faults of a route."""

import inspect
from collections.abc import Iterator
from typing import Any

from console_svc import exception, over_limit
from console_svc.api.bodies.holders import HOLDERS
from console_svc.api.bodies.schema import record
from console_svc.api.middleware.branch import PUBLIC_PATHS
from console_svc.api.middleware.context import Unscoped
from console_svc.api.middleware.faults import name_of
from console_svc.api.openapi import headers
from console_svc.api.openapi.ids import IDS
from console_svc.api.routes import Route

# Of every route that needs a token.
_ANY = (
    exception.InvalidVersion,
    exception.NotAuthenticated,
    exception.Forbidden,
    Unscoped,
    exception.UnsupportedVersion,
    exception.ServiceUnavailable,
)
_BODY = (exception.BadRequest, exception.UnsupportedMediaType)

# Faults that no exception describes.
_TEXTS = {
    413: 'The request body is too large.',
    500: 'The request failed unexpectedly.',
}


def responses(route: Route) -> dict[str, Any]:
    """The Response Objects of a route's faults, by status."""
    if route.path in PUBLIC_PATHS:
        return {}
    texts = {status: [text] for status, text in _TEXTS.items()}
    with_retry_after = set()
    for error in _errors(route):
        if issubclass(error, exception.AuthenticationFailed):
            with_retry_after.add(int(error.status))
        described = inspect.getdoc(error) or error.status.phrase
        text = described.partition('\n\n')[0]
        found = texts.setdefault(int(error.status), [])
        if text not in found:
            found.append(text)
    return {
        str(status): {
            'description': ' '.join(texts[status]),
            'headers': headers.of_answer(status, status in with_retry_after),
            'content': {
                'application/json': {
                    'schema': {'$ref': f'#/components/schemas/fault_{status}'}
                }
            },
        }
        for status in sorted(texts)
    }


def _errors(route: Route) -> Iterator[type[exception.ConsoleSvcError]]:
    yield from _ANY
    yield from (IDS[name].absent for name in route.ids)
    if route.operation.since or route.operation.before:
        yield exception.NotFound
    if route.operation.body:
        yield from _BODY
    yield from route.operation.raises


def schema(status: int, keystone: bool) -> dict[str, Any]:
    """The JSON Schema of a fault.

    :param keystone: whether a 401 can be that of keystonemiddleware, which
        has another form
    """
    text = {'type': 'string'}
    fields: dict[str, Any] = {'code': {'const': status}, 'message': text}
    if status == exception.UnsupportedVersion.status:
        fields |= {'min_version': text, 'max_version': text}
    described = record(**fields)
    if status == over_limit.OverLimit.status:
        limit_of = {'type': 'string', 'enum': ['project', 'user']}
        described['properties'] = {**fields, 'limit_of': limit_of}
    if status == exception.TooManySessions.status:
        described['properties'] = {
            **fields,
            'takeover': {'const': 'allowed'},
            'holders': HOLDERS,
        }
    fault = record(**{name_of(status): described})
    if keystone and status == exception.NotAuthenticated.status:
        theirs = record(
            error=record(code=fields['code'], title=text, message=text)
        )
        return {'oneOf': [fault, theirs]}
    return fault
