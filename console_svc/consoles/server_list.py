# SPDX-License-Identifier: Apache-2.0

"""Lists of servers: filters, order and pages."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from console_svc import exception
from console_svc.objects import Server

#: Server status -> nova's vm_state. Other statuses are shown as UNKNOWN.
VM_STATES: Final[Mapping[str, str]] = {
    'ACTIVE': 'active',
    'BUILD': 'building',
    'DELETED': 'deleted',
    'ERROR': 'error',
    'HARD_REBOOT': 'active',
    'MIGRATING': 'active',
    'PASSWORD': 'active',
    'PAUSED': 'paused',
    'REBOOT': 'active',
    'REBUILD': 'active',
    'RESCUE': 'rescued',
    'RESIZE': 'active',
    'REVERT_RESIZE': 'resized',
    'SHELVED': 'shelved',
    'SHELVED_OFFLOADED': 'shelved_offloaded',
    'SHUTOFF': 'stopped',
    'SOFT_DELETED': 'soft-delete',
    'SUSPENDED': 'suspended',
    'VERIFY_RESIZE': 'resized',
}
UNKNOWN: Final = 'UNKNOWN'

# Nova's vm_state -> its power_state. In others, the server has none.
_POWER_STATES: Final[Mapping[str | None, int]] = {
    'active': 1,
    'rescued': 1,
    'paused': 3,
    'stopped': 4,
    'suspended': 7,
}

Filter = Callable[[Server], bool]

#: The sort keys that tell servers apart.
SORT_KEYS: Final[Mapping[str, Callable[[Server], str | int]]] = {
    'created_at': lambda it: it.created,
    'display_name': lambda it: it.name,
    'host': lambda it: it.host or '',
    'project_id': lambda it: it.project_id,
    'updated_at': lambda it: it.created,
    'user_id': lambda it: it.user_id,
    'uuid': lambda it: it.id,
    'vm_state': lambda it: vm_state(it) or '',
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServerQuery:
    """Which servers to list.

    :param project_id: the project that owns them; None: all projects
    :param filters: a server is listed if all of them are true
    :param sort: keys, and whether their order is descending; other keys than
        those of ``SORT_KEYS`` have no effect
    :param marker: the id of the last server of the page before; None: list
        the first page
    :param limit: the number of servers of a page
    """

    project_id: str | None
    filters: Sequence[Filter] = ()
    sort: Sequence[tuple[str, bool]] = (('created_at', True), ('uuid', True))
    marker: str | None = None
    limit: int


def status(server: Server) -> str:
    """The status, if it is one of nova's; otherwise ``UNKNOWN``."""
    found = server.status.upper()
    return found if found in VM_STATES else UNKNOWN


def vm_state(server: Server) -> str | None:
    """Nova's vm_state; None: it is unknown."""
    return VM_STATES.get(server.status.upper())


def power_state(server: Server) -> int:
    """Nova's power_state; 0: it is unknown."""
    return _POWER_STATES.get(vm_state(server), 0)


def page(servers: Iterable[Server], query: ServerQuery) -> list[Server]:
    """The servers of one page.

    :param servers: those of the query's projects
    :raises console_svc.exception.MarkerNotFound: the marker is not the id of
        one of them
    """
    found = list(servers)
    # Sorting is stable: the first key comes last.
    for key, is_descending in reversed(query.sort):
        if key in SORT_KEYS:
            found.sort(key=SORT_KEYS[key], reverse=is_descending)
    begin = 0
    if query.marker is not None:
        # Filters come later: the marker need not pass them.
        ids = [server.id for server in found]
        if query.marker not in ids:
            raise exception.MarkerNotFound(marker=query.marker)
        begin = ids.index(query.marker) + 1
    chosen: list[Server] = []
    for server in found[begin:]:
        if len(chosen) >= query.limit:
            break
        if all(it(server) for it in query.filters):
            chosen.append(server)
    return chosen
