# SPDX-License-Identifier: Apache-2.0

"""What the query of GET /servers and /servers/detail asks for.

A filter by something that is unknown here, such as an image or an address,
finds nothing.
"""

import datetime
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from oslo_utils import strutils, timeutils

from console_svc import exception
from console_svc.api.bodies.patterns import Pattern
from console_svc.api.bodies.server_parameters import (
    ADMINS_SORT_KEYS,
    PAGING,
    REFUSED,
    Parameters,
)
from console_svc.api.microversion import Version
from console_svc.consoles import server_list
from console_svc.consoles.server_list import Filter
from console_svc.objects import Server

# From this one on, unknown statuses are refused.
_STATUS_REFUSED: Final = Version(2, 38)

_EXACT: Final[Mapping[str, Callable[[Server], str | None]]] = {
    'host': lambda it: it.host,
    'power_state': lambda it: str(server_list.power_state(it)),
    'project_id': lambda it: it.project_id,
    'tenant_id': lambda it: it.project_id,
    'user_id': lambda it: it.user_id,
    'uuid': lambda it: it.id,
    'vm_state': server_list.vm_state,
}
_NO_FILTERS: Final = ('all_tenants', *PAGING)
_NAMES: Final = ('name', 'display_name')
# True finds nothing, and False everything: no server is deleted.
_DELETED: Final = ('deleted', 'soft_deleted')


def for_one_project(parameters: Parameters) -> Parameters:
    """The parameters without those that need ``all_tenants``."""
    return {
        key: it
        for key, it in parameters.items()
        if key not in ('project_id', 'tenant_id')
    }


def is_all_tenants(parameters: Parameters) -> bool:
    """Whether the servers of all projects are requested.

    :raises console_svc.exception.BadRequest: this is not a truth value
    """
    values = parameters.get('all_tenants')
    if not values:
        return False
    return values[-1] == '' or _flag(values[-1])


def limit(parameters: Parameters, maximum: int) -> int:
    """The size of a page, at most a maximum."""
    text = parameters.get('limit', [str(maximum)])[-1].lstrip('0') or '0'
    # Python refuses to parse numbers of many digits.
    return (
        maximum if len(text) > len(str(maximum)) else min(maximum, int(text))
    )


def marker(parameters: Parameters) -> str | None:
    """The marker; None: there is none, or it is empty."""
    return parameters.get('marker', [''])[-1] or None


def sort(parameters: Parameters, is_admin: bool) -> Sequence[tuple[str, bool]]:
    """The sort keys, and whether the order is descending.

    :raises console_svc.exception.BadRequest: a direction is unknown, or there
        are more directions than keys
    :raises console_svc.exception.AdministratorsOnly: the caller may not sort
        by this key
    """
    keys = parameters.get('sort_key') or ['created_at']
    directions = parameters.get('sort_dir') or ['desc']
    for key in keys:
        if key in ADMINS_SORT_KEYS and not is_admin:
            raise exception.AdministratorsOnly(
                may=f'can sort servers by {key}'
            )
    for direction in directions:
        if direction not in ('asc', 'desc'):
            raise exception.BadRequest(
                reason='Invalid input received: Unknown sort direction, must '
                "be 'desc' or 'asc'"
            )
    if len(directions) > len(keys):
        raise exception.BadRequest(
            reason='Invalid input received: Sort direction size exceeds sort '
            'key size'
        )
    order: dict[str, bool] = {}
    for key, direction in itertools.zip_longest(
        [*keys, 'created_at', 'uuid'], directions, fillvalue=directions[0]
    ):
        # A repeated key has no effect, but sorting takes time.
        order.setdefault(key, direction == 'desc')
    return [*order.items()]


def filters(
    parameters: Parameters, version: Version, is_admin: bool
) -> list[Filter]:
    """The filters.

    :raises console_svc.exception.BadRequest: nova refuses such a filter
    :raises console_svc.exception.AdministratorsOnly: the caller may not list
        deleted servers
    """
    found = []
    for name, values in parameters.items():
        if name in REFUSED or name.startswith('_'):
            raise exception.BadRequest(reason=f'Invalid filter field: {name}.')
        if name == 'status':
            found.append(_by_status(values, version, is_admin))
        elif name not in _NO_FILTERS:
            found.append(_filter(name, values[-1]))
    _check_changes(parameters)
    return found


def _filter(name: str, value: str) -> Filter:
    if name in _NAMES:
        pattern = Pattern(value)
        return lambda it: pattern.matches(it.name)
    if name in _EXACT:
        field = _EXACT[name]
        return lambda it: field(it) == value
    if name == 'changes-since':
        since = _seconds(value)
        return lambda it: it.created >= since
    if name == 'changes-before':
        before = _seconds(value)
        return lambda it: it.created <= before
    if name == 'locked':
        passes = not _flag(value)
    elif name in _DELETED:
        passes = not strutils.bool_from_string(value)
    else:
        passes = name.startswith('not-tags')
    return lambda it: passes


def _flag(text: str) -> bool:
    try:
        flag: bool = strutils.bool_from_string(text, strict=True)
    except ValueError as error:
        raise exception.BadRequest(reason=str(error)) from None
    return flag


def _by_status(
    values: Sequence[str], version: Version, is_admin: bool
) -> Filter:
    statuses = {value.upper() for value in values}
    known = statuses & set(server_list.VM_STATES)
    if known == {'DELETED'} and not is_admin:
        raise exception.AdministratorsOnly(may='may list deleted instances')
    if not known:
        if version >= _STATUS_REFUSED:
            raise exception.BadRequest(reason='Invalid status value')
        return lambda it: False
    return lambda it: server_list.status(it) in statuses


def _check_changes(parameters: Parameters) -> None:
    since, before = (
        parameters.get(f'changes-{name}') for name in ('since', 'before')
    )
    if since and before and _seconds(before[-1]) < _seconds(since[-1]):
        raise exception.BadRequest(
            reason='The value of changes-since must be less than or equal to '
            'changes-before.'
        )


def _seconds(text: str) -> float:
    time: datetime.datetime = timeutils.parse_isotime(text)
    return time.timestamp()
