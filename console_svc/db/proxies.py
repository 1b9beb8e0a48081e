# SPDX-License-Identifier: Apache-2.0

"""Queries of the processes of console proxies.

One row says for all sessions of a process until when they live. The process
learns from its keep-alive which of them have ended. It also compares the
number of the others: hosts of the previous version delete the rows of sessions
that end, and a database may lose its last transactions.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import sqlalchemy as sa

from console_svc.db import rows
from console_svc.db.engine import Connections, retried
from console_svc.db.modes import announce_new, confirm, find_unconfirmed
from console_svc.db.session_rows import (
    CLOSED,
    IS_OPEN,
    announce_others,
    is_lasting,
    lapse_rows,
    limited,
)
from console_svc.db.tables import console_proxies, console_sessions
from console_svc.endings import EndReason, KeptProxy
from console_svc.objects import ConsoleSession, SessionMode

#: Seconds until a session that lives with a process must be named again, at
#: least: it lapses then, as the process may have failed to close it. A process
#: names all of its sessions every minute.
AHEAD: Final = 600


class ProxyQueries:
    """Extends and deletes processes of console proxies."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @retried
    def keep(
        self,
        proxy_id: str,
        session_ids: Sequence[str],
        now: int,
        alive_until: int,
        due: int,
        modes: Mapping[str, SessionMode] = {},
    ) -> KeptProxy:
        """Extend a process and its sessions, even if they have lapsed.

        :param session_ids: sessions that live with this process from now on
        :param now: seconds of the UTC epoch
        :param alive_until: when the process lapses now
        :param due: a process that lapses after this second is not extended
            yet
        :param modes: those that it enforces since the last keep-alive, by
            session id
        """
        state = self._state(proxy_id, now)
        if state['alive_until'] is None or state['alive_until'] <= due:
            with self._connections.writing() as connection:
                extend(connection, proxy_id, alive_until)
        kept: Mapping[str, int | None] = {}
        if session_ids:
            # No session lapses earlier than the process.
            until = max(alive_until, now + AHEAD)
            kept = self._attach(proxy_id, session_ids, now, until)
        if modes:
            confirm(self._connections, proxy_id, modes)
        if session_ids:
            # They count now.
            state = self._state(proxy_id, now)
        ended: Sequence[sa.RowMapping] = []
        if state['ended']:
            ended = self._connections.read(_ENDED, {'proxy': proxy_id})
        changed: Mapping[str, SessionMode] = {}
        if state['mode_changes']:
            changed = find_unconfirmed(
                self._connections, proxy_id, state['mode_changes']
            )
        # They have ended before the process could be stored with them.
        missing = sorted({*session_ids} - kept.keys())
        return KeptProxy(
            kept,
            [row['session_id'] for row in ended],
            state['open'],
            changed,
            _reasons([*ended, *self._find_closed(missing)]),
            # Null: the process has no row, as it has no session.
            state['others_changes'] or 0,
        )

    @retried
    def purge(
        self, lapsed: int, batch: int, lapse: int
    ) -> Sequence[ConsoleSession]:
        """Delete processes that have lapsed, and their sessions.

        :param lapsed: the second by which they have
        :param batch: processes and sessions to delete, at most
        :param lapse: seconds without a keep-alive after which they lapse
        :returns: the sessions deleted
        """
        proxies = console_proxies.c
        old = self._connections.read(
            sa.select(proxies.id)
            .where(proxies.alive_until <= lapsed)
            .order_by(proxies.alive_until)
            .limit(batch)
        )
        if not old:
            return []
        ids = [row['id'] for row in old]
        locked = console_proxies.select().where(proxies.id.in_(ids))
        with self._connections.writing() as connection:
            # A keep-alive may have extended one meanwhile.
            alive_until = {
                row.id: row.alive_until
                for row in connection.execute(locked.with_for_update())
                if row.alive_until <= lapsed
            }
            found = _find(connection, [*alive_until], batch)
            if len(found) < batch:
                connection.execute(
                    console_proxies.delete().where(
                        proxies.id.in_([*alive_until])
                    )
                )
            return lapse_rows(
                connection,
                found,
                lambda row: alive_until[row['proxy_id']] - lapse,
            )

    def _state(self, proxy_id: str, now: int) -> sa.RowMapping:
        parameters = {'proxy': proxy_id, 'now': now}
        (state,) = self._connections.read(_STATE, parameters)
        return state

    def _find_closed(
        self, session_ids: Sequence[str]
    ) -> Sequence[sa.RowMapping]:
        if not session_ids:
            return []
        columns = console_sessions.c
        return self._connections.read(
            sa.select(
                columns.session_id, columns.end_reason, columns.ended_by
            ).where(
                columns.session_id.in_(session_ids), columns.expires == CLOSED
            )
        )

    def _attach(
        self, proxy_id: str, session_ids: Sequence[str], now: int, until: int
    ) -> Mapping[str, int | None]:
        """Let sessions live with a process.

        :param until: when they lapse unless they are named again
        :returns: id -> expiry of those that exist and have not expired
        """
        kept = find_lasting(self._connections, session_ids, now)
        # Write only the rows that need it.
        to_write = [
            row['session_id']
            for row in kept
            if row['proxy_id'] != proxy_id
            or (
                row['alive_until'] <= now + (until - now) * 2 // 3
                and row['alive_until'] != row['expires']
            )
        ]
        if to_write:
            columns = console_sessions.c
            with self._connections.writing() as connection:
                written = connection.execute(
                    console_sessions.update()
                    .where(columns.session_id.in_(to_write), is_lasting(now))
                    .values(proxy_id=proxy_id, alive_until=limited(until))
                )
                announce_new(connection, proxy_id, to_write)
                announce_others(
                    connection,
                    {
                        row['server_id']
                        for row in kept
                        if row['proxy_id'] != proxy_id
                    },
                )
            if written.rowcount < len(to_write):
                # Some have ended meanwhile.
                kept = find_lasting(self._connections, session_ids, now)
        return {row['session_id']: row['expires'] for row in kept}


def extend(connection: sa.Connection, proxy_id: str, alive_until: int) -> None:
    """Extend a process, or store a new one."""
    connection.execute(
        _UPSERTS[connection.dialect.name],
        {'id': proxy_id, 'alive_until': alive_until},
    )


def find_lasting(
    connections: Connections, session_ids: Sequence[str], now: int
) -> Sequence[sa.RowMapping]:
    """Those of some sessions that are open and have not expired."""
    if not session_ids:
        return []
    columns = console_sessions.c
    wanted = sa.select(
        columns.session_id,
        columns.expires,
        columns.alive_until,
        columns.proxy_id,
        columns.server_id,
    ).where(columns.session_id.in_(session_ids), is_lasting(now))
    found = connections.read(wanted)
    if len(found) < len(session_ids) and connections.has_moved():
        # Proxies end the sessions that are missing.
        found = connections.read(wanted)
    return found


def _reasons(
    ended: Sequence[sa.RowMapping],
) -> Mapping[str, tuple[EndReason, str | None]]:
    """Why sessions have ended, and the user by whom, by id."""
    return {
        row['session_id']: (EndReason(row['end_reason']), row['ended_by'])
        for row in ended
        # Hosts of the previous version do not store it.
        if row['end_reason'] is not None
    }


def _find(
    connection: sa.Connection, proxy_ids: Sequence[str], limit: int
) -> Sequence[sa.RowMapping]:
    """Lock open sessions of some processes."""
    columns = console_sessions.c
    wanted = (
        sa.select(console_sessions)
        .where(columns.proxy_id.in_(proxy_ids), IS_OPEN)
        .order_by(columns.proxy_id)
        .limit(limit)
        .with_for_update()
    )
    return connection.execute(wanted).mappings().all()


def _count(*conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    """The number of rows of a process that meet some conditions."""
    return (
        sa.select(sa.func.count())
        .select_from(console_sessions)
        .where(
            console_sessions.c.proxy_id == sa.bindparam('proxy'), *conditions
        )
        .scalar_subquery()
    )


# Statements of the request path are module-level: SQLAlchemy finds the
# compiled form of the same object faster than that of an equal one.
_UPSERTS: Final = rows.upserts(console_proxies, 'alive_until')

# One statement: a session that ends between two would seem to be lost.
_STATE: Final = sa.select(
    sa.select(console_proxies.c.alive_until)
    .where(console_proxies.c.id == sa.bindparam('proxy'))
    .scalar_subquery()
    .label('alive_until'),
    sa.select(console_proxies.c.mode_changes)
    .where(console_proxies.c.id == sa.bindparam('proxy'))
    .scalar_subquery()
    .label('mode_changes'),
    sa.select(console_proxies.c.others_changes)
    .where(console_proxies.c.id == sa.bindparam('proxy'))
    .scalar_subquery()
    .label('others_changes'),
    _count(is_lasting(sa.bindparam('now'))).label('open'),
    _count(console_sessions.c.expires == CLOSED).label('ended'),
)

_ENDED: Final = sa.select(
    console_sessions.c.session_id,
    console_sessions.c.end_reason,
    console_sessions.c.ended_by,
).where(
    console_sessions.c.proxy_id == sa.bindparam('proxy'),
    console_sessions.c.expires == CLOSED,
)
