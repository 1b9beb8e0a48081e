# SPDX-License-Identifier: Apache-2.0

"""Locks of servers: rows of the table ``leases``."""

from typing import Final

import sqlalchemy as sa

from console_svc.db import rows
from console_svc.db.engine import Connections, retried
from console_svc.db.tables import leases

_PREFIX: Final = 'server:'

# Seconds for which the row stays: a lock that is taken again soon then finds
# its row.
_KEPT: Final = 3600

_UPSERTS: Final = rows.upserts(leases, 'expires')


class ServerLockQueries:
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
            leases.c.name.startswith(_PREFIX),
        )


def lock_server(connection: sa.Connection, server_id: str, now: int) -> None:
    """Make transactions that lock the same server wait for each other.

    The lock is held until the transaction ends. In a Galera cluster, of
    transactions on different nodes all but one are repeated.

    :param now: seconds of the UTC epoch
    """
    connection.execute(
        _UPSERTS[connection.dialect.name],
        {'name': f'{_PREFIX}{server_id}', 'expires': now + _KEPT},
    )
