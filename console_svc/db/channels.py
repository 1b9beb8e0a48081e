# SPDX-License-Identifier: Apache-2.0

"""Conditions on sessions that are channels of one SPICE page."""

from typing import Any

import sqlalchemy as sa

from console_svc.db.session_rows import IS_OPEN, is_alive
from console_svc.db.tables import console_sessions
from console_svc.objects import ConsoleSession


def has_other(session: ConsoleSession) -> sa.Exists:
    """Whether the same address has another session by the same token.

    A channel that was closed seconds ago counts, too.
    """
    columns = console_sessions.c
    return (
        sa.select(columns.id)
        .where(
            columns.token_hash == session.token_hash,
            columns.client_address == session.client_address,
            is_alive(session.created_at),
        )
        .exists()
    )


def main_of(session: ConsoleSession) -> sa.Select[Any]:
    """The id and the mode of the session of which a channel is a part."""
    columns = console_sessions.c
    return (
        sa.select(
            sa.func.coalesce(columns.main_id, columns.session_id).label('id'),
            columns.mode,
        )
        .where(
            columns.token_hash == session.token_hash,
            columns.client_address == session.client_address,
            is_alive(session.created_at),
            IS_OPEN,
        )
        .order_by(columns.created_at)
        .limit(1)
    )
