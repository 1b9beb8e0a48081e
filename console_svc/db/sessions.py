# SPDX-License-Identifier: Apache-2.0

"""Queries of console sessions."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from oslo_db import exception as db_exception

from console_svc import exception
from console_svc.db.engine import Connections, retried
from console_svc.db.server_locks import lock_server
from console_svc.db.tables import console_auth_tokens, console_sessions
from console_svc.objects import ConsoleSession

#: The expiry of a closed session.
CLOSED: Final = 0

#: Whether a row is an open session: see closed_sessions.py for the others.
IS_OPEN: Final = sa.or_(
    console_sessions.c.expires.is_(None), console_sessions.c.expires != CLOSED
)


class SessionQueries:
    """Opens, extends, finds and ends sessions."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @retried
    def open(
        self,
        session: ConsoleSession,
        alive_until: int,
        *,
        max_uses: int,
        max_sessions: int,
        replace: bool,
        in_channels: bool = False,
    ) -> Sequence[ConsoleSession]:
        """Use a token and store the session, or do neither.

        :param alive_until: when the session lapses
        :param max_uses: of the token; 0: no limit
        :param max_sessions: of the server; 0: no limit
        :param replace: end the oldest sessions to make room
        :param in_channels: concurrent sessions of the same token and address
            are one use of the token, and so are those that follow a closed
            one soon (:meth:`.ClosedSessionQueries.add`)
        :returns: the sessions that this has ended
        :raises console_svc.exception.SessionIdUsed: there is a session with
            this id, or there was one
        :raises console_svc.exception.TokenUsedUp: the token has opened as many
            sessions as it may, has expired, or was deleted
        :raises console_svc.exception.TooManySessions: the server has as many
            sessions as it may
        """
        tokens = console_auth_tokens.c
        uses: sa.ColumnElement[int] = sa.literal(1)
        usable = tokens.uses < max_uses
        if in_channels:
            has_other = _has_other(session)
            uses = sa.case((has_other, 0), else_=1)
            usable = usable | has_other
        use = (
            console_auth_tokens.update()
            .where(
                tokens.token_hash == session.token_hash,
                tokens.expires > session.created_at,
            )
            .values(uses=tokens.uses + uses)
        )
        if max_uses:
            use = use.where(usable)
        ended: Sequence[ConsoleSession] = []
        with self._connections.writing() as connection:
            if max_sessions:
                lock_server(connection, session.server_id, session.created_at)
            # Before sessions are counted or ended: a revocation, too, locks
            # tokens first, and so do hosts of the previous version, which
            # lock all tokens of the server.
            if connection.execute(use).rowcount != 1:
                raise exception.TokenUsedUp
            if max_sessions:
                ended = _make_room(connection, session, max_sessions, replace)
            values = dataclasses.asdict(session)
            values['session_id'] = values.pop('id')
            try:
                connection.execute(
                    console_sessions.insert(),
                    {**values, 'alive_until': alive_until},
                )
            except db_exception.DBDuplicateEntry:
                raise exception.SessionIdUsed(session_id=session.id) from None
        return ended

    def get(self, session_id: str) -> ConsoleSession | None:
        """The session with this id, unless it was closed."""
        rows = self._connections.read(open_session(session_id))
        return to_session(rows[0]) if rows else None

    def find(
        self, token_hash: str, client_address: str | None, now: int
    ) -> ConsoleSession | None:
        """The newest current session of a token and a client address.

        :param now: seconds of the UTC epoch
        """
        columns = console_sessions.c
        wanted = sa.select(console_sessions).where(
            columns.token_hash == token_hash,
            columns.client_address == client_address,
            columns.alive_until > now,
            IS_OPEN,
        )
        rows = self._connections.read(wanted)
        if not rows and self._connections.has_moved():
            rows = self._connections.read(wanted)
        if not rows:
            return None
        # Not in SQL: for a limit of 1, MySQL would walk through all ids.
        return to_session(max(rows, key=lambda row: row['id']))

    def list(self, server_id: str, now: int) -> Sequence[ConsoleSession]:
        """The current sessions of a server, the oldest first."""
        rows = self._connections.read(_of_server(server_id, now))
        return [to_session(row) for row in rows]

    @retried
    def keep(
        self, session_ids: Sequence[str], now: int, alive_until: int, due: int
    ) -> Mapping[str, int | None]:
        """Extend sessions, even those that have lapsed.

        :param now: seconds of the UTC epoch
        :param alive_until: when they lapse now
        :param due: sessions that lapse after this second are not extended yet
        :returns: id -> expiry of those that exist and have not expired
        """
        columns = console_sessions.c
        lasting = sa.or_(columns.expires.is_(None), columns.expires > now)
        wanted = sa.select(
            columns.session_id, columns.expires, columns.alive_until
        ).where(columns.session_id.in_(session_ids), lasting)
        kept = self._connections.read(wanted)
        if len(kept) < len(session_ids) and self._connections.has_moved():
            # Proxies end the sessions that are missing.
            kept = self._connections.read(wanted)
        # Write only the rows that need it, and find them by their ids alone:
        # other conditions would lock other rows.
        to_extend = [
            row['session_id']
            for row in kept
            if row['alive_until'] <= due
            and row['alive_until'] != row['expires']
        ]
        if to_extend:
            with self._connections.writing() as connection:
                connection.execute(
                    console_sessions.update()
                    .where(columns.session_id.in_(to_extend), lasting)
                    .values(alive_until=_limited(alive_until))
                )
        return {row['session_id']: row['expires'] for row in kept}

    @retried
    def end(
        self, session_id: str, server_id: str | None = None
    ) -> Sequence[ConsoleSession]:
        """End a session.

        :param server_id: the server that it must belong to; None: any
        :returns: the session, if there was one
        """
        wanted = open_session(session_id)
        if server_id is not None:
            wanted = wanted.where(console_sessions.c.server_id == server_id)
        with self._connections.writing() as connection:
            return end_sessions(connection, wanted)

    @retried
    def purge(self, now: int, batch: int) -> Sequence[ConsoleSession]:
        """Delete sessions that have lapsed, at most a batch of them.

        :param now: seconds of the UTC epoch
        :returns: the sessions deleted
        """
        columns = console_sessions.c
        lapsed = (
            sa.select(console_sessions)
            .where(columns.alive_until <= now, IS_OPEN)
            .order_by(columns.alive_until)
            .limit(batch)
        )
        with self._connections.writing() as connection:
            return end_sessions(connection, lapsed)


def end_sessions(
    connection: sa.Connection, wanted: sa.Select[Any]
) -> Sequence[ConsoleSession]:
    """Delete the sessions that a query finds.

    :returns: the sessions deleted
    """
    rows = connection.execute(wanted.with_for_update()).mappings().all()
    return _delete(connection, rows)


def _delete(
    connection: sa.Connection, rows: Sequence[sa.RowMapping]
) -> Sequence[ConsoleSession]:
    if rows:
        connection.execute(
            console_sessions.delete().where(
                console_sessions.c.id.in_([row['id'] for row in rows])
            )
        )
    return [to_session(row) for row in rows]


def to_session(row: sa.RowMapping) -> ConsoleSession:
    return ConsoleSession(
        id=row['session_id'],
        token_hash=row['token_hash'],
        server_id=row['server_id'],
        project_id=row['project_id'],
        user_id=row['user_id'],
        console_type=row['console_type'],
        client_address=row['client_address'],
        created_at=row['created_at'],
        expires=row['expires'],
    )


def open_session(session_id: str) -> sa.Select[Any]:
    """The session with this id, unless it was closed."""
    return sa.select(console_sessions).where(
        console_sessions.c.session_id == session_id, IS_OPEN
    )


def _of_server(server_id: str, now: int) -> sa.Select[Any]:
    """The current sessions of a server, the oldest first."""
    columns = console_sessions.c
    return (
        sa.select(console_sessions)
        .where(columns.server_id == server_id, columns.alive_until > now)
        .order_by(columns.id)
    )


def _has_other(session: ConsoleSession) -> sa.Exists:
    """Whether the same address has another session by the same token.

    A channel that was closed seconds ago counts, too.
    """
    columns = console_sessions.c
    return (
        sa.select(columns.id)
        .where(
            columns.token_hash == session.token_hash,
            columns.client_address == session.client_address,
            columns.alive_until > session.created_at,
        )
        .exists()
    )


def _limited(alive_until: int) -> sa.ColumnElement[int]:
    """When a session lapses: at its expiry at the latest."""
    expires = console_sessions.c.expires
    return sa.case((expires < alive_until, expires), else_=alive_until)


def _make_room(
    connection: sa.Connection,
    session: ConsoleSession,
    max_sessions: int,
    replace: bool,
) -> Sequence[ConsoleSession]:
    """Make sure that a server has room for one more session.

    The transaction must have locked the server.

    :returns: the sessions that this has ended
    """
    # A repeated request must not end the session that the first has opened.
    current = _of_server(session.server_id, session.created_at).where(
        console_sessions.c.session_id != session.id
    )
    rows = connection.execute(current).mappings().all()
    surplus = rows[: max(0, len(rows) - max_sessions + 1)]
    if surplus and not replace:
        raise exception.TooManySessions(server_id=session.server_id)
    return _delete(connection, surplus)
