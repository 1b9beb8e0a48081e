# SPDX-License-Identifier: Apache-2.0

"""The headers of requests and responses."""

from collections.abc import Mapping
from typing import Any, Final

from console_svc.api import microversion
from console_svc.api.middleware import request_id

_REQUEST_ID = {'type': 'string', 'pattern': '^req-[0-9a-f-]{36}$'}
_VERSIONS = [*microversion.SUPPORTED]

#: Parameter Objects of every request that needs a token.
PARAMETERS: Final[Mapping[str, Mapping[str, Any]]] = {
    'microversion': {
        'name': microversion.STANDARD_HEADER,
        'in': 'header',
        'description': 'The service type, and the microversion of this '
        f'request; the default is {microversion.MIN}, and "latest" is '
        f'{microversion.MAX}.',
        'schema': {
            'type': 'string',
            'enum': [f'{microversion.SERVICE_TYPE} {it}' for it in _VERSIONS],
        },
    },
    'legacy_microversion': {
        'name': microversion.LEGACY_HEADER,
        'in': 'header',
        'description': 'The same in an older form, used if '
        f'{microversion.STANDARD_HEADER} does not name this service.',
        'schema': {'type': 'string', 'enum': _VERSIONS},
    },
    'request_id': {
        'name': request_id.INBOUND,
        'in': 'header',
        'description': "The caller's own request id, for the log: req- and a "
        'UUID. Any other value is ignored.',
        'schema': {'type': 'string'},
    },
}

#: Header Objects of responses.
HEADERS: Final[Mapping[str, Mapping[str, Any]]] = {
    microversion.STANDARD_HEADER: {
        'description': 'The requested microversion.',
        'required': True,
        'schema': {
            'type': 'string',
            'pattern': rf'^{microversion.SERVICE_TYPE} [0-9]+\.[0-9]+$',
        },
    },
    microversion.LEGACY_HEADER: {
        'description': 'The same in an older form.',
        'required': True,
        'schema': {'type': 'string', 'pattern': r'^[0-9]+\.[0-9]+$'},
    },
    'Vary': {
        'description': 'The request headers on which the response depends.',
        'required': True,
        'schema': {'type': 'string'},
    },
    **{
        name: {
            'description': 'The id of this request in the log.',
            'required': True,
            'schema': _REQUEST_ID,
        }
        for name in request_id.HEADERS
    },
    'Retry-After': {
        'description': 'Seconds to wait before the next request.',
        'required': True,
        'schema': {'type': 'integer', 'minimum': 1},
    },
    'WWW-Authenticate': {
        'description': 'How to authenticate.',
        'required': True,
        'schema': {'type': 'string'},
    },
}

# Headers of these statuses alone.
_PARTICULAR = {
    'Retry-After': {429, 503},
    'WWW-Authenticate': {401},
}


def of_answer(
    status: int, may_have_retry_after: bool = False
) -> dict[str, Any]:
    """The headers of a response.

    :param may_have_retry_after: whether a response with this status can have
        one
    """
    found: dict[str, Any] = {
        name: {'$ref': f'#/components/headers/{name}'}
        for name in HEADERS
        if status in _PARTICULAR.get(name, {status})
    }
    if may_have_retry_after:
        optional = {**HEADERS['Retry-After'], 'required': False}
        found.setdefault('Retry-After', optional)
    return found
