# SPDX-License-Identifier: Apache-2.0

"""The query parameters of lists of sessions.

Names and formats are those of lists of servers, where these have them.
"""

import datetime
import enum
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator as Validator
from oslo_utils import timeutils

from console_svc.api.bodies import schema, server_query
from console_svc.api.bodies.schema import NEW_UUID, list_of, one_of
from console_svc.api.bodies.server_parameters import (
    FORMATS,
    NUMBER,
    TIME,
    Parameters,
)
from console_svc.endings import (
    SessionQuery,
)
from console_svc.objects import (
    NATIVE_TYPE,
    ConsoleType,
)


class Status(enum.StrEnum):
    """Which sessions to list."""

    LIVE = 'live'
    ENDED = 'ended'


# Some databases refuse NUL.
_NAME: Final = {'type': 'string', 'pattern': '^[^\0]*$', 'maxLength': 255}
_TYPE: Final = one_of(*ConsoleType, NATIVE_TYPE)

_SCHEMAS: Final[Mapping[str, Any]] = {
    'status': list_of(one_of(*Status)),
    'user_id': list_of(_NAME),
    'console_type': list_of(_TYPE),
    'changes-since': TIME,
    'changes-before': TIME,
    'limit': NUMBER,
    'marker': list_of(NEW_UUID),
}
_SCHEMAS_FOR_ALL: Final[Mapping[str, Any]] = {
    **_SCHEMAS,
    'project_id': list_of(_NAME),
    'server_id': list_of(_NAME),
}

_OF_SERVER: Final = Validator(
    {'type': 'object', 'properties': _SCHEMAS}, format_checker=FORMATS
)
_OF_ALL: Final = Validator(
    {'type': 'object', 'properties': _SCHEMAS_FOR_ALL}, format_checker=FORMATS
)

#: The schemas of the parameters, for a server and for all servers.
OF_SERVER: Final[Mapping[str, Any]] = {
    name: {'type': 'integer', 'minimum': 0}
    if name == 'limit'
    else {**it['items']}
    for name, it in _SCHEMAS.items()
}
OF_ALL: Final[Mapping[str, Any]] = {
    **OF_SERVER,
    'project_id': _NAME,
    'server_id': _NAME,
}


def of_server(
    parameters: Parameters, server_id: str, maximum: int
) -> tuple[Status, SessionQuery]:
    """What a query asks for of the sessions of a server.

    :param maximum: sessions of a page
    :raises console_svc.exception.BadRequest: it is invalid
    """
    return _parse(_OF_SERVER, parameters, maximum, {'server_id': server_id})


def of_all(
    parameters: Parameters, maximum: int
) -> tuple[Status, SessionQuery]:
    """What a query asks for of the sessions of all servers.

    :param maximum: sessions of a page
    :raises console_svc.exception.BadRequest: it is invalid
    """
    return _parse(_OF_ALL, parameters, maximum, {})


def _parse(
    validator: Validator,
    parameters: Parameters,
    maximum: int,
    more: Mapping[str, Any],
) -> tuple[Status, SessionQuery]:
    names = validator.schema['properties'].keys()
    known = {name: it for name, it in parameters.items() if name in names}
    schema.validate_query(validator, known)
    last = {name: values[-1] for name, values in known.items()}
    query = SessionQuery(
        **{
            name: last.get(name)
            for name in ('project_id', 'server_id', 'user_id', 'console_type')
            if name not in more
        },
        **more,
        since=_seconds(last, 'changes-since', math.ceil),
        before=_seconds(last, 'changes-before', math.floor),
        marker=last.get('marker'),
        limit=server_query.limit(known, maximum),
    )
    return Status(last.get('status', Status.LIVE)), query


def _seconds(
    values: Mapping[str, str], name: str, rounded: Callable[[float], int]
) -> int | None:
    if name not in values:
        return None
    time: datetime.datetime = timeutils.parse_isotime(values[name])
    return rounded(time.timestamp())
