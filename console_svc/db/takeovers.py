# SPDX-License-Identifier: Apache-2.0

"""Take-overs: a new session ends those that control the same console."""

from collections.abc import Sequence

import sqlalchemy as sa

from console_svc.db.session_rows import IS_OPEN, end_sessions, is_alive
from console_svc.db.tables import console_sessions
from console_svc.objects import (
    ConsoleSession,
    Ending,
    EndReason,
    SessionMode,
)


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
