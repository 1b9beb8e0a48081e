# SPDX-License-Identifier: Apache-2.0

"""The history: sessions that have ended.

A row is written in the transaction in which its session ends. Each channel of
a SPICE page has a row; lists show those of a page as one session.
"""

from collections.abc import Collection, Mapping
from typing import Final

import sqlalchemy as sa

from console_svc.db import rows
from console_svc.db.engine import HISTORY, Connections, retried
from console_svc.db.tables import ended_sessions
from console_svc.endings import (
    Ending,
    Reports,
)

# What a session has in common with its row in the history.
_COPIED: Final = (
    'session_id',
    'server_id',
    'project_id',
    'user_id',
    'console_type',
    'mode',
    'client_address',
    'created_at',
    'expires',
)


class HistoryQueries:
    """Deletes sessions from the history."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @retried
    def purge(self, before: int, batch: int) -> int:
        """Delete sessions that ended until a second, at most a batch of them.

        :param before: seconds of the UTC epoch
        :returns: the number of sessions deleted
        """
        columns = ended_sessions.c
        return rows.purge(
            self._connections, columns.id, columns.ended_at, before, batch
        )


def add(
    connection: sa.Connection,
    ended: Collection[tuple[sa.RowMapping, Ending]],
) -> None:
    """Add sessions in the transaction in which they end.

    :param ended: rows of open sessions, and how each ends
    """
    if not ended or not _is_kept(connection):
        return
    connection.execute(
        _INSERT,
        [
            {
                **{name: row[name] for name in _COPIED},
                'main_id': row['main_id'] or row['session_id'],
                'is_main': row['main_id'] is None,
                'ended_at': ending.at,
                'end_reason': ending.reason,
                'ended_by': ending.by,
                'received': ending.received,
                'sent': ending.sent,
            }
            for row, ending in ended
        ],
    )


def report(
    connection: sa.Connection,
    main_ids: Mapping[str, str],
    reports: Reports,
) -> None:
    """Store what proxies report of sessions that have ended before.

    :param main_ids: session id -> id of the session of its main channel
    :param reports: session id -> report
    """
    values = [
        {
            'main': main_ids[session_id],
            'session': session_id,
            'bytes_received': it.received,
            'bytes_sent': it.sent,
        }
        for session_id, it in reports.items()
        if session_id in main_ids and (it.received or it.sent)
    ]
    if values and _is_kept(connection):
        connection.execute(_REPORT, values)


def _is_kept(connection: sa.Connection) -> bool:
    kept: bool = connection.get_execution_options()[HISTORY]
    return kept


# Statements of the request path are module-level: SQLAlchemy finds the
# compiled form of the same object faster than that of an equal one.
_INSERT: Final = ended_sessions.insert()

_REPORT: Final[sa.Update] = (
    ended_sessions.update()
    .where(
        ended_sessions.c.main_id == sa.bindparam('main'),
        ended_sessions.c.session_id == sa.bindparam('session'),
    )
    .values(
        received=sa.bindparam('bytes_received'),
        sent=sa.bindparam('bytes_sent'),
    )
)
