# SPDX-License-Identifier: Apache-2.0

"""Sessions that end because another one of their server is opened."""

from collections.abc import Sequence

import sqlalchemy as sa

from console_svc import exception
from console_svc.db.session_rows import (
    IS_OPEN,
    end_rows,
    end_sessions,
    is_alive,
    to_session,
)
from console_svc.db.tables import console_sessions
from console_svc.endings import Ending, EndReason
from console_svc.objects import ConsoleSession, SessionMode


def take_over(
    connection: sa.Connection,
    session: ConsoleSession,
    console_types: Sequence[str],
    in_channels: bool,
) -> Sequence[ConsoleSession]:
    """End the sessions that control the console of a new one.

    The transaction must have locked the server: of two take-overs at once,
    the second one ends the session of the first.

    :param console_types: all that lead to this console of the server
    :param in_channels: sessions of the same token and address are those of
        other channels, and stay
    :returns: the sessions that this has ended
    """
    columns = console_sessions.c
    holders = sa.select(console_sessions).where(
        columns.server_id == session.server_id,
        columns.console_type.in_(console_types),
        columns.mode == SessionMode.CONTROL.value,
        # A repeated request must not end what the first has opened.
        columns.session_id != session.id,
        is_alive(session.created_at),
        IS_OPEN,
    )
    if in_channels:
        holders = holders.where(
            sa.or_(
                columns.token_hash != session.token_hash,
                columns.client_address != session.client_address,
            )
        )
    ending = Ending(EndReason.TAKEN_OVER, session.created_at, session.user_id)
    return end_sessions(connection, holders.order_by(columns.id), ending)


def make_room(
    connection: sa.Connection,
    session: ConsoleSession,
    max_sessions: int,
    replace: bool,
) -> Sequence[ConsoleSession]:
    """Make sure that a server has room for one more session.

    The transaction must have locked the server.

    :returns: the sessions that this has ended
    :raises console_svc.exception.TooManySessions: it has no room
    """
    # A repeated request must not end the session that the first has opened.
    columns = console_sessions.c
    current = (
        sa.select(console_sessions)
        .where(
            columns.server_id == session.server_id,
            columns.session_id != session.id,
            is_alive(session.created_at),
        )
        .order_by(columns.id)
    )
    rows = connection.execute(current).mappings().all()
    surplus = rows[: max(0, len(rows) - max_sessions + 1)]
    if surplus and not replace:
        raise exception.TooManySessions(session.server_id, _holders(rows))
    ending = Ending(EndReason.REPLACED, session.created_at, session.user_id)
    return end_rows(connection, surplus, ending)


def _holders(rows: Sequence[sa.RowMapping]) -> Sequence[ConsoleSession]:
    """The sessions of some rows, a page with channels as one."""
    found: dict[str, ConsoleSession] = {}
    for row in rows:
        main_id = row['main_id'] or row['session_id']
        found.setdefault(main_id, to_session(row))
    return [*found.values()]
