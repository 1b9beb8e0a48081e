# SPDX-License-Identifier: Apache-2.0

"""Queries of closed sessions.

A closed session is a row of ``console_sessions`` with the expiry CLOSED. The
unique index on the id keeps a late request from opening the session again.
Nothing but the id and the times is kept, except of SPICE channels; and the
process of a session that has ended, until the process closes it.
"""

import functools
from collections.abc import (
    Collection,
    Mapping,
    Sequence,
    Set,
)
from typing import Any, Final

import sqlalchemy as sa
from oslo_db import exception as db_exception

from console_svc.db import history, rows
from console_svc.db.engine import Connections, retried
from console_svc.db.session_rows import (
    BLANK,
    CLOSED,
    announce_end,
    to_session,
)
from console_svc.db.tables import console_sessions
from console_svc.endings import (
    NO_REPORTS,
    Ending,
    EndReason,
    Reports,
)
from console_svc.objects import (
    ConsoleSession,
    ConsoleType,
)


class ClosedSessionQueries:
    """Closes sessions, and deletes closed ones."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def add(
        self, session_id: str, now: int, channel_until: int | None = None
    ) -> Sequence[ConsoleSession]:
        """End a session: see :meth:`add_all`."""
        return self.add_all([session_id], now, channel_until)

    def add_all(
        self,
        session_ids: Collection[str],
        now: int,
        channel_until: int | None = None,
        reports: Reports = NO_REPORTS,
    ) -> Sequence[ConsoleSession]:
        """End sessions, and keep their ids from being used again.

        This also holds for an id without a session: the request to open it
        may be late.

        :param now: seconds of the UTC epoch
        :param channel_until: the address of a SPICE channel can open another
            one as the same use of the token before this second; None: it
            cannot
        :param reports: what is known of their ends. The history of a session
            that has ended before gets the bytes.
        :returns: the sessions that there were
        """
        known, ended = self._close(session_ids, now, channel_until, reports)
        unknown = sorted({*session_ids} - known)
        if not unknown:
            return ended
        try:
            self._insert(unknown, now, reports)
        except db_exception.DBDuplicateEntry:
            # One was opened or closed since the first statement.
            if len(unknown) == 1:
                late = self._close(unknown, now, channel_until, reports)[1]
                return [*ended, *late]
            for session_id in unknown:
                late = self.add_all([session_id], now, channel_until, reports)
                ended = [*ended, *late]
        return ended

    @retried
    def purge(self, before: int, batch: int) -> int:
        """Delete closed sessions, at most a batch of them.

        :param before: seconds of the UTC epoch; those closed later stay
        :returns: the number of sessions deleted
        """
        columns = console_sessions.c
        return rows.purge(
            self._connections,
            columns.id,
            columns.alive_until,
            before,
            batch,
            columns.expires == CLOSED,
        )

    @retried
    def _close(
        self,
        session_ids: Collection[str],
        now: int,
        channel_until: int | None,
        reports: Reports,
    ) -> tuple[Set[str], Sequence[ConsoleSession]]:
        """Close sessions.

        :returns: the ids that are known, and the sessions that were open
        """
        with self._connections.writing() as connection:
            found = _lock(connection, session_ids)
            opened = [row for row in found if row['expires'] != CLOSED]
            history.add(
                connection,
                [(row, _ending(row, now, reports)) for row in opened],
            )
            # Those whose process closes them now.
            history.report(
                connection,
                {
                    row['session_id']: row['main_id'] or row['session_id']
                    for row in found
                    if row['expires'] == CLOSED and _is_announced(row)
                },
                reports,
            )
            # Most rows change in the same way.
            changes: dict[tuple[tuple[str, Any], ...], list[int]] = {}
            for row in found:
                change = _changes(row, now, channel_until)
                changes.setdefault((*change.items(),), []).append(row['id'])
            changes.pop((), None)
            for values, keys in changes.items():
                connection.execute(
                    _update(tuple(name for name, _ in values)),
                    {'keys': keys, **{_new(it): to for it, to in values}},
                )
            announce_end(connection, opened)
        return (
            {row['session_id'] for row in found},
            [to_session(row) for row in opened],
        )

    @retried
    def _insert(
        self, session_ids: Sequence[str], now: int, reports: Reports
    ) -> None:
        # Not in the transaction of _close(): on MySQL, its lock on the missing
        # row would make concurrent inserts a deadlock.
        with self._connections.writing() as connection:
            connection.execute(
                console_sessions.insert(),
                [
                    {
                        **BLANK,
                        'session_id': session_id,
                        'created_at': now,
                        'alive_until': now,
                    }
                    for session_id in session_ids
                ],
            )
            # Those without a process have no row after they have ended.
            history.report(connection, {it: it for it in session_ids}, reports)


def _lock(
    connection: sa.Connection, session_ids: Collection[str]
) -> Sequence[sa.RowMapping]:
    """Lock the rows of sessions, open or closed."""
    if len(session_ids) == 1:
        (session_id,) = session_ids
        found = connection.execute(_LOCK_ONE, {'value': session_id})
        return found.mappings().all()
    # By their keys, and in the order of these: a revocation locks them in
    # this order, too, and on MySQL no missing row is locked.
    keys = connection.scalars(_KEYS, {'values': [*session_ids]}).all()
    if not keys:
        return []
    found = connection.execute(_LOCK, {'values': sorted(keys)})
    return found.mappings().all()


def _ending(row: sa.RowMapping, now: int, reports: Reports) -> Ending:
    report = reports.get(row['session_id'])
    if report is None:
        return Ending(EndReason.CLOSED, now)
    return Ending(
        report.reason, now, received=report.received, sent=report.sent
    )


def _is_announced(row: sa.RowMapping) -> bool:
    """Whether the process of a session must get to know that it has ended."""
    # Hosts of the previous version store no reason.
    return row['proxy_id'] is not None or row['end_reason'] is not None


def _changes(
    row: sa.RowMapping, now: int, channel_until: int | None
) -> Mapping[str, Any]:
    """The columns that change if a session is closed."""
    if row['expires'] == CLOSED:
        # Its process does not need to know it any more.
        known = {'proxy_id': None, 'end_reason': None}
        return known if _is_announced(row) else {}
    values = {**BLANK, 'alive_until': now, 'proxy_id': None}
    is_channel = (
        row['console_type'] == ConsoleType.SPICE_HTML5
        and channel_until is not None
    )
    if is_channel:
        values['alive_until'] = channel_until
    if is_channel or row['secret_hash'] is not None:
        # A channel that is opened next, or a client that resumes it, is
        # recognized by these.
        for name in 'token_hash', 'client_address', 'secret_hash':
            del values[name]
    return values


@functools.cache
def _update(columns: tuple[str, ...]) -> sa.Update:
    """The statement that sets columns of sessions.

    Its parameters are the keys, and a new value for each column.
    """
    return (
        console_sessions.update()
        .where(console_sessions.c.id.in_(sa.bindparam('keys', expanding=True)))
        .values({name: sa.bindparam(_new(name)) for name in columns})
    )


def _new(column: str) -> str:
    """The parameter that has the new value of a column."""
    # SQLAlchemy reserves the names of the columns.
    return f'new_{column}'


# Statements of the request path are module-level: SQLAlchemy finds the
# compiled form of the same object faster than that of an equal one.
_VALUES: Final[sa.BindParameter[Any]] = sa.bindparam('values', expanding=True)

_KEYS: Final = sa.select(console_sessions.c.id).where(
    console_sessions.c.session_id.in_(_VALUES)
)

_LOCK: Final = (
    sa.select(console_sessions)
    .where(console_sessions.c.id.in_(_VALUES))
    .order_by(console_sessions.c.id)
    .with_for_update()
)

# Without a list, it is faster.
_LOCK_ONE: Final = (
    sa.select(console_sessions)
    .where(console_sessions.c.session_id == sa.bindparam('value'))
    .with_for_update()
)
