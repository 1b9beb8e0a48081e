# SPDX-License-Identifier: Apache-2.0

"""Locks of servers, users and projects: rows of the table ``leases``.

A transaction that takes several of them takes them in this order.
"""

import hashlib
from typing import Final

import sqlalchemy as sa

from console_svc.db import rows
from console_svc.db.engine import Connections, retried
from console_svc.db.tables import leases

_SERVER: Final = 'server'
_USER: Final = 'user'
_PROJECT: Final = 'project'

# Seconds for which the row stays: a lock that is taken again soon then finds
# its row. A lock that is taken more than once in a second adds a second.
_KEPT: Final = 3600

# Hexadecimal digits of a hash: the longest that fits, with the longest kind.
_DIGITS: Final = 56

_UPSERTS: Final = rows.upserts(leases, 'expires', always=True)


class LockQueries:
    """Deletes the rows of locks that are not taken any more."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @retried
    def purge(self, now: int, batch: int) -> int:
        """Delete old rows, at most a batch of them.

        :param now: seconds of the UTC epoch
        :returns: the number of rows found
        """
        return rows.purge(
            self._connections,
            leases.c.name,
            leases.c.expires,
            now,
            batch,
            sa.or_(
                *(
                    leases.c.name.startswith(f'{kind}:')
                    for kind in (_SERVER, _USER, _PROJECT)
                )
            ),
        )


def lock_server(connection: sa.Connection, server_id: str, now: int) -> None:
    """Make transactions that lock the same server wait for each other.

    The lock is held until the transaction ends. In a Galera cluster, of
    transactions on different nodes all but one are repeated.

    :param now: seconds of the UTC epoch
    """
    _lock(connection, f'{_SERVER}:{server_id}', now)


def lock_user(connection: sa.Connection, user_id: str, now: int) -> None:
    """As :func:`lock_server`, for a user."""
    _lock(connection, _hashed(_USER, user_id), now)


def lock_project(connection: sa.Connection, project_id: str, now: int) -> None:
    """As :func:`lock_server`, for a project."""
    _lock(connection, _hashed(_PROJECT, project_id), now)


def _lock(connection: sa.Connection, name: str, now: int) -> None:
    connection.execute(
        _UPSERTS[connection.dialect.name],
        {'name': name, 'expires': now + _KEPT},
    )


def _hashed(kind: str, name: str) -> str:
    """The name of a row for an id of any length."""
    return f'{kind}:{hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]}'
