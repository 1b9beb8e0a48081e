# SPDX-License-Identifier: Apache-2.0

"""Bodies of /servers/{server_id}/remote-consoles and of the actions."""

import itertools
from collections.abc import Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator as Validator

from console_svc.api import microversion
from console_svc.api.bodies.schema import (
    URI,
    one_of,
    record,
    validator,
)
from console_svc.api.microversion import SPICE_DIRECT, WEBMKS, Version
from console_svc.api.operation import Form
from console_svc.objects import ConsoleType

_PROTOCOLS: Final = ('vnc', 'spice', 'serial', 'rdp')
_TYPES: Final = (
    ConsoleType.NOVNC,
    ConsoleType.XVPVNC,
    ConsoleType.SPICE_HTML5,
    ConsoleType.SERIAL,
    ConsoleType.RDP_HTML5,
)


def _create(protocols: tuple[str, ...], types: tuple[str, ...]) -> Validator:
    return validator(
        record(
            remote_console=record(
                protocol=one_of(*protocols), type=one_of(*types)
            )
        )
    )


# The first microversion of each, newest first.
_VALIDATORS: Final = (
    (
        SPICE_DIRECT,
        _create(
            (*_PROTOCOLS, 'mks'),
            (*_TYPES, ConsoleType.WEBMKS, ConsoleType.SPICE_DIRECT),
        ),
    ),
    (WEBMKS, _create((*_PROTOCOLS, 'mks'), (*_TYPES, ConsoleType.WEBMKS))),
    (microversion.REMOTE_CONSOLES, _create(_PROTOCOLS, _TYPES)),
)

#: POST /servers/{server_id}/remote-consoles, newest first.
CREATE_FORMS: Final = tuple(
    Form(found.schema, since=since, before=before)
    for (since, found), before in zip(
        _VALIDATORS,
        (None, *(since for since, _ in _VALIDATORS)),
        strict=False,
    )
)

# The console types that an action can ask for, by its name.
_ACTION_TYPES: Final = {
    'os-getVNCConsole': (ConsoleType.NOVNC, ConsoleType.XVPVNC),
    'os-getSPICEConsole': (ConsoleType.SPICE_HTML5,),
    'os-getSerialConsole': (ConsoleType.SERIAL,),
    'os-getRDPConsole': (ConsoleType.RDP_HTML5,),
}

#: POST /servers/{server_id}/action, by the action's name.
ACTIONS: Final[Mapping[str, Validator]] = {
    name: validator(record(**{name: record(type=one_of(*types))}))
    for name, types in _ACTION_TYPES.items()
}

# The response repeats the request, whatever its microversion.
_NEWEST: Final = CREATE_FORMS[0].schema['properties']['remote_console']
CREATED: Final = (
    Form(record(remote_console=record(**_NEWEST['properties'], url=URI))),
)
ACTED: Final = (
    Form(
        record(
            console=record(
                type=one_of(*itertools.chain(*_ACTION_TYPES.values())), url=URI
            )
        )
    ),
)


def create(version: Version) -> Validator:
    """The validator of POST /servers/{server_id}/remote-consoles."""
    return next(found for since, found in _VALIDATORS if version >= since)


def created(protocol: str, console_type: str, url: str) -> dict[str, Any]:
    """A console's access URL, from 2.6 on."""
    return {
        'remote_console': {
            'protocol': protocol,
            'type': console_type,
            'url': url,
        }
    }


def acted(console_type: str, url: str) -> dict[str, Any]:
    """A console's access URL, before 2.6."""
    return {'console': {'type': console_type, 'url': url}}
