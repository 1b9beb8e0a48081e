# SPDX-License-Identifier: Apache-2.0

"""Queries of lists of sessions, one page at a time."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from console_svc import exception
from console_svc.db.engine import Connections
from console_svc.db.session_rows import IS_OPEN, is_alive, to_session
from console_svc.db.tables import console_sessions, ended_sessions
from console_svc.endings import (
    EndedSession,
    Ending,
    EndReason,
    SessionQuery,
)
from console_svc.objects import (
    ConsoleSession,
    ConsoleType,
    SessionMode,
)


class SessionListQueries:
    """Lists the sessions of one server or of all servers."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def live(self, query: SessionQuery, now: int) -> Sequence[ConsoleSession]:
        """A page of the current sessions, the oldest first.

        :param now: seconds of the UTC epoch
        :raises console_svc.exception.MarkerNotFound: there is no session with
            the id of the marker
        """
        columns = console_sessions.c
        wanted = (
            sa.select(console_sessions)
            .where(
                *_filters(query, console_sessions, columns.created_at),
                is_alive(now),
                IS_OPEN,
            )
            .order_by(columns.id)
            .limit(query.limit)
        )
        if query.marker is not None:
            marker = self._marker(
                query.marker,
                sa.select(columns.id).where(
                    columns.session_id == query.marker
                ),
            )
            wanted = wanted.where(columns.id > marker['id'])
        return [to_session(row) for row in self._connections.read(wanted)]

    def ended(self, query: SessionQuery) -> Sequence[EndedSession]:
        """A page of the history, the session that ended last first.

        :raises console_svc.exception.MarkerNotFound: the history does not
            have the session of the marker
        """
        columns = ended_sessions.c
        wanted = (
            sa.select(ended_sessions)
            .where(
                *_filters(query, ended_sessions, columns.ended_at),
                columns.is_main,
            )
            .order_by(columns.ended_at.desc(), columns.id.desc())
            .limit(query.limit)
        )
        if query.marker is not None:
            marker = self._marker(
                query.marker,
                sa.select(columns.id, columns.ended_at).where(
                    columns.main_id == query.marker,
                    columns.session_id == query.marker,
                ),
            )
            wanted = wanted.where(
                # The first condition is for the index.
                columns.ended_at <= marker['ended_at'],
                sa.or_(
                    columns.ended_at < marker['ended_at'],
                    columns.id < marker['id'],
                ),
            )
        rows = self._connections.read(wanted)
        totals = self._totals(
            [
                row['session_id']
                for row in rows
                if row['console_type'] == ConsoleType.SPICE_HTML5
            ]
        )
        return [_to_ended(row, totals) for row in rows]

    def _marker(self, marker: str, wanted: sa.Select[Any]) -> sa.RowMapping:
        """The row of a marker, which a statement finds."""
        rows = self._connections.read(wanted)
        if not rows:
            raise exception.MarkerNotFound(marker=marker)
        return rows[0]

    def _totals(self, session_ids: Sequence[str]) -> Mapping[str, Any]:
        """The ends and bytes of sessions with all their channels, by id."""
        if not session_ids:
            return {}
        columns = ended_sessions.c
        rows = self._connections.read(
            sa.select(
                columns.main_id,
                sa.func.max(columns.ended_at).label('ended_at'),
                sa.func.sum(columns.received).label('received'),
                sa.func.sum(columns.sent).label('sent'),
            )
            .where(columns.main_id.in_(session_ids))
            .group_by(columns.main_id)
        )
        return {row['main_id']: row for row in rows}


def _filters(
    query: SessionQuery, table: sa.Table, changed_at: sa.Column[int]
) -> Sequence[sa.ColumnElement[bool]]:
    """The conditions on a table of sessions.

    :param changed_at: when a session was opened, or ended
    """
    found = [
        table.c[name] == value
        for name in ('server_id', 'project_id', 'user_id', 'console_type')
        if (value := getattr(query, name)) is not None
    ]
    if query.since is not None:
        found.append(changed_at >= query.since)
    if query.before is not None:
        found.append(changed_at <= query.before)
    return found


def _to_ended(
    row: sa.RowMapping, totals: Mapping[str, Mapping[str, Any]]
) -> EndedSession:
    total: Any = totals.get(row['session_id'], row)
    ending = Ending(
        EndReason(row['end_reason']),
        total['ended_at'],
        row['ended_by'],
        # Sums are decimals.
        int(total['received']),
        int(total['sent']),
    )
    session = ConsoleSession(
        id=row['session_id'],
        # It is not stored.
        token_hash='',
        server_id=row['server_id'],
        project_id=row['project_id'],
        user_id=row['user_id'],
        console_type=row['console_type'],
        client_address=row['client_address'],
        created_at=row['created_at'],
        expires=row['expires'],
        mode=SessionMode(row['mode']),
    )
    return EndedSession(session, ending)
