# SPDX-License-Identifier: Apache-2.0

"""The headers of requests and of answers."""

from collections.abc import Mapping
from typing import Any, Final

from console_svc.api import microversion
from console_svc.api.middleware import request_id

_REQUEST_ID = {'type': 'string', 'pattern': '^req-[0-9a-f-]{36}$'}
_WANTED = [*microversion.SUPPORTED]

#: Parameter Objects of every request that needs a token, by their keys.
PARAMETERS: Final[Mapping[str, Mapping[str, Any]]] = {
    'microversion': {
        'name': microversion.STANDARD_HEADER,
        'in': 'header',
        'description': 'The microversion of this request, with the service '
        f'type; without it {microversion.MIN}. "latest" is '
        f'{microversion.MAX}.',
        'schema': {
            'type': 'string',
            'enum': [f'{microversion.SERVICE_TYPE} {it}' for it in _WANTED],
        },
    },
    'legacy_microversion': {
        'name': microversion.LEGACY_HEADER,
        'in': 'header',
        'description': 'The same in an older form, which counts where '
        f'{microversion.STANDARD_HEADER} says nothing of this service.',
        'schema': {'type': 'string', 'enum': _WANTED},
    },
    'request_id': {
        'name': request_id.INBOUND,
        'in': 'header',
        'description': "The caller's own request id, for the log: req- and a "
        'UUID. Another text is ignored.',
        'schema': {'type': 'string'},
    },
}

#: Header Objects, by names.
HEADERS: Final[Mapping[str, Mapping[str, Any]]] = {
    microversion.STANDARD_HEADER: {
        'description': 'The microversion that was asked for.',
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
        'description': 'The headers that a cache must tell requests by.',
        'required': True,
        'schema': {'type': 'string'},
    },
    **{
        name: {
            'description': 'The id of this request, as the log has it.',
            'required': True,
            'schema': _REQUEST_ID,
        }
        for name in request_id.HEADERS
    },
    'Retry-After': {
        'description': 'Seconds to wait before asking again.',
        'required': True,
        'schema': {'type': 'integer', 'minimum': 1},
    },
    'WWW-Authenticate': {
        'description': 'Where a token is to be had.',
        'required': True,
        'schema': {'type': 'string'},
    },
}

# What not every answer has, and faults of which statuses do.
_PARTICULAR = {
    'Retry-After': {429, 503},
    'WWW-Authenticate': {401},
}


def of_answer(status: int, may_tell_to_wait: bool = False) -> dict[str, Any]:
    """What an answer of this status has.

    :param may_tell_to_wait: whether one for some reasons has a Retry-After
    """
    found: dict[str, Any] = {
        name: {'$ref': f'#/components/headers/{name}'}
        for name in HEADERS
        if status in _PARTICULAR.get(name, {status})
    }
    if may_tell_to_wait:
        optional = {**HEADERS['Retry-After'], 'required': False}
        found.setdefault('Retry-After', optional)
    return found
