# SPDX-License-Identifier: Apache-2.0

"""Bodies of /servers/{server_id}/console-auth-tokens."""

from collections.abc import Mapping
from typing import Any, Final

from console_svc import addresses
from console_svc.api.bodies.schema import (
    ADDRESS,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    URI,
    one_of,
    record,
    validator,
)
from console_svc.api.operation import Form
from console_svc.consoles.terms import Terms
from console_svc.objects import ConsoleAuthToken, ConsoleType, SessionMode

# What the database can store.
_POSITIVE: Final = {'type': 'integer', 'minimum': 1, 'maximum': 2**31 - 1}
_TYPE: Final = one_of(*ConsoleType)
_MODE: Final = one_of(*SessionMode)

#: POST /servers/{server_id}/console-auth-tokens
CREATE: Final = validator(
    record(
        console_auth_token={
            'type': 'object',
            'properties': {
                'type': _TYPE,
                'mode': _MODE,
                'ttl': _POSITIVE,
                'max_uses': _POSITIVE,
                'client_address': ADDRESS,
                'record': {'type': 'boolean'},
            },
            'required': ['type'],
            'additionalProperties': False,
        }
    )
)

CREATED: Final = (
    Form(
        record(
            console_auth_token=record(
                token=TEXT,
                url=URI,
                type=_TYPE,
                mode=_MODE,
                expires_at=TIME,
                max_uses={**_POSITIVE, 'type': ['integer', 'null']},
                client_address=TEXT_OR_NULL,
                record={'type': 'boolean'},
            )
        )
    ),
)


def terms(wanted: Mapping[str, Any]) -> Terms:
    """The terms that a valid request asks for."""
    return Terms(
        mode=SessionMode(wanted.get('mode', SessionMode.CONTROL)),
        ttl=_integer(wanted.get('ttl')),
        max_uses=_integer(wanted.get('max_uses')),
        client_address=addresses.find(wanted.get('client_address')),
        record=wanted.get('record', False),
    )


def _integer(value: float | None) -> int | None:
    """In JSON Schema, 600.0 is an integer, too."""
    return None if value is None else int(value)


def created(
    token: str, url: str, stored: ConsoleAuthToken, max_uses: int
) -> dict[str, Any]:
    """A token, and what can be done with it.

    :param max_uses: sessions that it can open; 0: no limit
    """
    return {
        'console_auth_token': {
            'token': token,
            'url': url,
            'type': stored.console_type,
            'mode': stored.mode,
            'expires_at': stored.expires,
            'max_uses': max_uses or None,
            'client_address': stored.bound_address,
            'record': stored.record,
        }
    }
