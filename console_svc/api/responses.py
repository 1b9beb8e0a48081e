# SPDX-License-Identifier: Apache-2.0

"""JSON Schemas of what requests are answered: what ``views`` makes."""

import itertools
from typing import Any

from console_svc.api import microversion
from console_svc.api.operation import Form
from console_svc.api.schemas import (
    ACTION_TYPES,
    REMOTE_CONSOLES,
    one_of,
    record,
)
from console_svc.objects import NATIVE_TYPE, ConsoleType

_TEXT = {'type': 'string'}
_TEXT_OR_NULL = {'type': ['string', 'null']}
_PORT = {'type': 'integer', 'minimum': 1, 'maximum': 65535}
_PORT_OR_NULL = {**_PORT, 'type': ['integer', 'null']}
_TIME = {'type': 'integer', 'minimum': 0}
_TIME_OR_NULL = {**_TIME, 'type': ['integer', 'null']}
_UUID = {'type': 'string', 'format': 'uuid'}
_TYPE = one_of(*ConsoleType, NATIVE_TYPE)
_URI = {'type': 'string', 'format': 'uri'}


def _list_of(items: dict[str, Any]) -> dict[str, Any]:
    return {'type': 'array', 'items': items}


_VERSION: dict[str, Any] = {
    'id': _TEXT,
    'status': one_of('CURRENT'),
    'version': _TEXT,
    'min_version': _TEXT,
    'updated': {'type': 'string', 'format': 'date-time'},
    'links': _list_of(record(rel=_TEXT, href=_URI)),
}
VERSIONS = (Form(record(versions=_list_of(record(**_VERSION)))),)
VERSION = (
    Form(
        record(
            version=record(
                **_VERSION,
                **{'media-types': _list_of(record(base=_TEXT, type=_TEXT))},
            )
        )
    ),
)

#: The document itself, of which the OpenAPI Initiative has schemas.
OPENAPI = (
    Form(
        record(
            openapi=_TEXT,
            info={'type': 'object'},
            security={'type': 'array', 'items': {'type': 'object'}},
            paths={'type': 'object'},
            components={'type': 'object'},
        )
    ),
)

_CONSOLE_ID = {'type': 'integer', 'minimum': 1}
CONSOLES = (
    Form(
        record(
            consoles=_list_of(
                record(console=record(id=_CONSOLE_ID, console_type=_TEXT))
            )
        )
    ),
)
CONSOLE = (
    Form(
        record(
            console=record(
                id=_CONSOLE_ID,
                console_type=_TEXT,
                password=_TEXT,
                instance_name=_TEXT,
                port=_PORT,
                host=_TEXT,
            )
        )
    ),
)

_CONNECT_INFO: dict[str, Any] = {
    'instance_uuid': _TEXT,
    'host': _TEXT,
    'port': _PORT,
    'internal_access_path': _TEXT_OR_NULL,
}
CONNECT_INFO = (
    Form(record(console=record(**_CONNECT_INFO))),
    Form(
        record(console=record(**_CONNECT_INFO, tls_port=_PORT_OR_NULL)),
        since=microversion.SPICE_DIRECT,
    ),
)

# What was asked for, in whichever form, is told again.
_WANTED = REMOTE_CONSOLES[0].schema['properties']['remote_console']
REMOTE_CONSOLE = (
    Form(record(remote_console=record(**_WANTED['properties'], url=_URI))),
)
ACTION_CONSOLE = (
    Form(
        record(
            console=record(
                type=one_of(*itertools.chain(*ACTION_TYPES.values())),
                url=_URI,
            )
        )
    ),
)

_SESSION: dict[str, Any] = {
    'id': _UUID,
    'instance_uuid': _TEXT,
    'project_id': _TEXT,
    'user_id': _TEXT_OR_NULL,
    'console_type': _TYPE,
    'client_address': _TEXT_OR_NULL,
    'created_at': _TIME,
    'expires': _TIME_OR_NULL,
}
SESSIONS = (Form(record(console_sessions=_list_of(record(**_SESSION)))),)
SESSION = (Form(record(session=record(**_SESSION))),)
OPENED_SESSION = (
    Form(
        record(
            session=record(
                **_SESSION,
                host=_TEXT,
                port=_PORT,
                tls_port=_PORT_OR_NULL,
                internal_access_path=_TEXT_OR_NULL,
            )
        )
    ),
)
KEPT_SESSIONS = (
    Form(
        record(
            console_sessions=_list_of(record(id=_UUID, expires=_TIME_OR_NULL))
        )
    ),
)
