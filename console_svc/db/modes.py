# SPDX-License-Identifier: Apache-2.0

"""Queries of the modes of sessions.

The process of a session's console proxy learns a new mode from its keep-alive,
and confirms it with a later one. Each change counts in the row of the process,
so that a keep-alive looks for changes only if there are some.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from console_svc.db.engine import Connections, retried
from console_svc.db.session_rows import (
    IS_OPEN,
    announce_others,
    is_alive,
    to_session,
)
from console_svc.db.tables import (
    console_auth_tokens,
    console_proxies,
    console_sessions,
)
from console_svc.objects import ConsoleSession, SessionMode

_COLUMNS = console_sessions.c

#: What the proxy of a session lets its client do, as far as is known.
ENFORCED = sa.func.coalesce(_COLUMNS.enforced_mode, SessionMode.CONTROL.value)

#: The mode of new sessions of a token.
OF_NEW_SESSIONS: Final = sa.case(
    (console_auth_tokens.c.lowered, SessionMode.VIEW.value),
    else_=console_auth_tokens.c.mode,
).label('mode')


class ModeQueries:
    """Changes and finds the modes of sessions."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def get(self, session_ids: Sequence[str]) -> Mapping[str, SessionMode]:
        """The modes of those sessions that there are."""
        if not session_ids:
            return {}
        wanted = sa.select(_COLUMNS.session_id, _COLUMNS.mode).where(
            _COLUMNS.session_id.in_(session_ids)
        )
        return _by_id(self._connections.read(wanted))

    @retried
    def change(
        self, session: ConsoleSession, mode: SessionMode, now: int
    ) -> Sequence[ConsoleSession]:
        """Change the mode of a session, and of new ones of its token.

        A token that was issued to view never gives control.

        :param now: seconds of the UTC epoch
        :returns: the session as it is now; none: it has ended
        """
        with self._connections.writing() as connection:
            _change_token(connection, session.token_hash, mode)
            return _change(
                connection, mode, now, _COLUMNS.session_id == session.id
            )

    @retried
    def change_channels(
        self, session: ConsoleSession, mode: SessionMode, now: int
    ) -> Sequence[ConsoleSession]:
        """Change the mode of all channels of a page, as :meth:`change`.

        :param session: one of the channels
        """
        with self._connections.writing() as connection:
            _change_token(connection, session.token_hash, mode)
            return _change(
                connection,
                mode,
                now,
                _COLUMNS.token_hash == session.token_hash,
                _COLUMNS.client_address == session.client_address,
            )


def _change_token(
    connection: sa.Connection, token_hash: str, mode: SessionMode
) -> None:
    """Change the mode of new sessions of a token.

    It locks the token before sessions, as opening a session does.
    """
    tokens = console_auth_tokens.c
    connection.execute(
        console_auth_tokens.update()
        .where(tokens.token_hash == token_hash)
        .values(
            lowered=mode == SessionMode.VIEW,
            # It changes in any case: see the column.
            resumptions=tokens.resumptions + 1,
        )
    )


def _change(
    connection: sa.Connection,
    mode: SessionMode,
    now: int,
    *conditions: sa.ColumnElement[bool],
) -> Sequence[ConsoleSession]:
    found = (
        connection.execute(
            sa.select(console_sessions)
            .where(*conditions, is_alive(now), IS_OPEN)
            .order_by(_COLUMNS.id)
            .with_for_update()
        )
        .mappings()
        .all()
    )
    different = [row for row in found if row['mode'] != mode]
    if different:
        connection.execute(
            console_sessions.update()
            .where(_COLUMNS.id.in_([row['id'] for row in different]))
            .values(mode=mode.value)
        )
        _announce(connection, {row['proxy_id'] for row in different} - {None})
        announce_others(connection, {row['server_id'] for row in different})
    return [to_session({**row, 'mode': mode}) for row in found]


def _announce(connection: sa.Connection, proxy_ids: Iterable[str]) -> None:
    """Let processes look for changes at their next keep-alive."""
    proxies = console_proxies.c
    for proxy_id in sorted(proxy_ids):
        connection.execute(
            console_proxies.update()
            .where(proxies.id == proxy_id)
            .values(mode_changes=proxies.mode_changes + 1)
        )


def announce_new(
    connection: sa.Connection, proxy_id: str, session_ids: Sequence[str]
) -> None:
    """Let a process look for changes that are older than its own rows.

    :param session_ids: those that the transaction has given to the process
    """
    changed = sa.select(_COLUMNS.id).where(
        _COLUMNS.session_id.in_(session_ids),
        _COLUMNS.mode != ENFORCED,
        IS_OPEN,
    )
    if connection.execute(changed.limit(1)).first() is not None:
        _announce(connection, [proxy_id])


def confirm(
    connections: Connections, proxy_id: str, modes: Mapping[str, SessionMode]
) -> None:
    """Store which modes a process enforces.

    :param modes: of some of its sessions, by id
    """
    for mode in SessionMode:
        ids = [it for it, found in modes.items() if found == mode]
        if not ids:
            continue
        with connections.writing() as connection:
            connection.execute(
                console_sessions.update()
                .where(
                    _COLUMNS.session_id.in_(ids),
                    # Not by its index: a process has thousands of sessions.
                    sa.func.coalesce(_COLUMNS.proxy_id, '') == proxy_id,
                    IS_OPEN,
                )
                .values(enforced_mode=mode.value)
            )


def find_unconfirmed(
    connections: Connections, proxy_id: str, changes: int
) -> Mapping[str, SessionMode]:
    """The modes that a process has not confirmed, by session id.

    :param changes: the ``mode_changes`` of the process
    """
    found = connections.read(_UNCONFIRMED, {'proxy': proxy_id})
    if not found:
        proxies = console_proxies.c
        with connections.writing() as connection:
            connection.execute(
                console_proxies.update()
                .where(
                    proxies.id == proxy_id,
                    # There may be another one since the look-up.
                    proxies.mode_changes == changes,
                )
                .values(mode_changes=0)
            )
    return _by_id(found)


def _by_id(rows: Sequence[Any]) -> Mapping[str, SessionMode]:
    return {row['session_id']: SessionMode(row['mode']) for row in rows}


_UNCONFIRMED = sa.select(_COLUMNS.session_id, _COLUMNS.mode).where(
    _COLUMNS.proxy_id == sa.bindparam('proxy'),
    IS_OPEN,
    _COLUMNS.mode != ENFORCED,
)
