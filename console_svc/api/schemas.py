# SPDX-License-Identifier: Apache-2.0

"""JSON Schemas of what requests bring, by microversion."""

from collections.abc import Mapping
from typing import Any

import jsonschema

from console_svc import exception
from console_svc.api import microversion
from console_svc.api.microversion import SPICE_DIRECT, WEBMKS, Version
from console_svc.api.operation import Form
from console_svc.objects import ConsoleType


def record(**properties: Mapping[str, Any]) -> dict[str, Any]:
    """An object of just these properties."""
    return {
        'type': 'object',
        'properties': properties,
        'required': list(properties),
        'additionalProperties': False,
    }


def one_of(*values: str) -> dict[str, Any]:
    """One of these texts."""
    return {'type': 'string', 'enum': [str(value) for value in values]}


_PROTOCOLS = ('vnc', 'spice', 'serial', 'rdp')
_TYPES = (
    ConsoleType.NOVNC,
    ConsoleType.XVPVNC,
    ConsoleType.SPICE_HTML5,
    ConsoleType.SERIAL,
    ConsoleType.RDP_HTML5,
)


def _remote_console(
    protocols: tuple[str, ...], types: tuple[str, ...]
) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(
        record(
            remote_console=record(
                protocol=one_of(*protocols), type=one_of(*types)
            )
        )
    )


_REMOTE_CONSOLES = (
    # newest first
    (
        SPICE_DIRECT,
        _remote_console(
            (*_PROTOCOLS, 'mks'),
            (*_TYPES, ConsoleType.WEBMKS, ConsoleType.SPICE_DIRECT),
        ),
    ),
    (
        WEBMKS,
        _remote_console((*_PROTOCOLS, 'mks'), (*_TYPES, ConsoleType.WEBMKS)),
    ),
    (microversion.REMOTE_CONSOLES, _remote_console(_PROTOCOLS, _TYPES)),
)

#: The forms of its body, the newest first.
REMOTE_CONSOLES = tuple(
    Form(validator.schema, since=since, before=before)
    for (since, validator), before in zip(
        _REMOTE_CONSOLES,
        (None, *(since for since, _ in _REMOTE_CONSOLES)),
        strict=False,
    )
)

#: What an action can ask for, by its name.
ACTION_TYPES = {
    'os-getVNCConsole': (ConsoleType.NOVNC, ConsoleType.XVPVNC),
    'os-getSPICEConsole': (ConsoleType.SPICE_HTML5,),
    'os-getSerialConsole': (ConsoleType.SERIAL,),
    'os-getRDPConsole': (ConsoleType.RDP_HTML5,),
}

#: The actions of POST /servers/{server_id}/action, by their names.
ACTIONS: Mapping[str, jsonschema.Draft202012Validator] = {
    name: jsonschema.Draft202012Validator(
        record(**{name: record(type=one_of(*types))})
    )
    for name, types in ACTION_TYPES.items()
}

_ADDRESS = {
    'type': 'string',
    'anyOf': [{'format': 'ipv4'}, {'format': 'ipv6'}],
}

#: The body of POST .../sessions.
SESSION = jsonschema.Draft202012Validator(
    record(
        session={
            'type': 'object',
            'properties': {'client_address': _ADDRESS},
            'additionalProperties': False,
        }
    ),
    format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
)

#: The body of PUT /console-sessions.
KEPT_SESSIONS = jsonschema.Draft202012Validator(
    record(
        console_sessions=record(
            ids={
                'type': 'array',
                'items': {'type': 'string', 'format': 'uuid'},
                'maxItems': 1000,
            }
        )
    ),
    format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
)

# 16 bytes, as VNC authentication has them.
_BLOCK = {
    'type': 'string',
    # Python's $ is also before a line break at the end.
    'pattern': '^[0-9a-fA-F]{32}$',
    'maxLength': 32,
}

#: The body of POST /console-gateway/authentications.
AUTHENTICATION = jsonschema.Draft202012Validator(
    record(
        authentication={
            'type': 'object',
            'properties': {
                'port': {'type': 'integer', 'minimum': 1, 'maximum': 65535},
                'user_name': {'type': 'string', 'maxLength': 255},
                'challenge': _BLOCK,
                'response': _BLOCK,
                'client_address': _ADDRESS,
            },
            'required': ['challenge', 'response'],
            'oneOf': [{'required': ['port']}, {'required': ['user_name']}],
            'additionalProperties': False,
        }
    ),
    format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
)

#: A query that must be empty.
NO_QUERY = jsonschema.Draft202012Validator(record())


def remote_consoles(version: Version) -> jsonschema.Draft202012Validator:
    """The body of POST /servers/{server_id}/remote-consoles."""
    return next(
        validator for since, validator in _REMOTE_CONSOLES if version >= since
    )


def validate(
    validator: jsonschema.Draft202012Validator,
    document: Any,
    is_secret: bool = False,
) -> None:
    """Let a document pass, or say what is wrong, in nova's words.

    :param is_secret: whether nothing of it may be repeated
    :raises console_svc.exception.BadRequest: it breaks a rule
    """
    error = next(validator.iter_errors(document), None)
    if error is None:
        return
    reason = error.message
    if is_secret:
        field = error.path[-1] if error.path else 'body'
        reason = f'Invalid input for field/attribute {field}.'
    elif error.path:
        reason = (
            f'Invalid input for field/attribute {error.path[-1]}. '
            f'Value: {error.instance}. {reason}'
        )
    raise exception.BadRequest(reason=reason)
