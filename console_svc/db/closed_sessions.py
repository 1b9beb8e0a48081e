# SPDX-License-Identifier: Apache-2.0

"""Queries of closed sessions.

A closed session is a row of ``console_sessions`` with the expiry CLOSED. The
unique index on the id keeps a late request from opening the session again.
Nothing but the id and the times is kept, except of SPICE channels; and the
process of a session that has ended, until the process closes it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exception

from console_svc.db import rows
from console_svc.db.engine import Connections, retried
from console_svc.db.session_rows import BLANK, CLOSED, to_session
from console_svc.db.tables import console_sessions
from console_svc.objects import ConsoleSession, ConsoleType


class ClosedSessionQueries:
    """Closes sessions, and deletes closed ones."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def add(
        self, session_id: str, now: int, channel_until: int | None = None
    ) -> Sequence[ConsoleSession]:
        """End a session, and keep its id from being used again.

        This also holds for an id without a session: the request to open it
        may be late.

        :param now: seconds of the UTC epoch
        :param channel_until: if it is a SPICE channel, its address can open
            another one as the same use of the token before this second; None:
            it cannot
        :returns: the session, if there was one
        """
        ended = self._close(session_id, now, channel_until)
        if ended is None:
            try:
                self._insert(session_id, now)
            except db_exception.DBDuplicateEntry:
                # It was opened or closed since the first statement.
                ended = self._close(session_id, now, channel_until)
        return ended or []

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
        self, session_id: str, now: int, channel_until: int | None
    ) -> Sequence[ConsoleSession] | None:
        """Close a session.

        :returns: the session; nothing if it was closed before; None: its id
            is unknown
        """
        wanted = (
            sa.select(console_sessions)
            .where(console_sessions.c.session_id == session_id)
            .with_for_update()
        )
        with self._connections.writing() as connection:
            row = connection.execute(wanted).mappings().first()
            if row is None:
                return None
            was_open = row['expires'] != CLOSED
            if was_open or row['proxy_id'] is not None:
                connection.execute(
                    console_sessions.update()
                    .where(console_sessions.c.id == row['id'])
                    .values(
                        _closed(row, now, channel_until)
                        if was_open
                        # Its process does not need to know it any more.
                        else {'proxy_id': None}
                    )
                )
        return [to_session(row)] if was_open else []

    @retried
    def _insert(self, session_id: str, now: int) -> None:
        # Not in the transaction of _close(): on MySQL, its lock on the missing
        # row would make concurrent inserts a deadlock.
        with self._connections.writing() as connection:
            connection.execute(
                console_sessions.insert(),
                {
                    **BLANK,
                    'session_id': session_id,
                    'created_at': now,
                    'alive_until': now,
                },
            )


def _closed(
    row: sa.RowMapping, now: int, channel_until: int | None
) -> Mapping[str, Any]:
    """The new values of a row whose session is closed."""
    values = {**BLANK, 'alive_until': now, 'proxy_id': None}
    if (
        row['console_type'] == ConsoleType.SPICE_HTML5
        and channel_until is not None
    ):
        # A channel that is opened next is recognized by these.
        values['token_hash'] = row['token_hash']
        values['client_address'] = row['client_address']
        values['alive_until'] = channel_until
    return values
