# SPDX-License-Identifier: Apache-2.0

"""Queries of console auth tokens."""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from console_svc.db.engine import Connections, retried
from console_svc.db.limits import check_token
from console_svc.db.locks import lock_project
from console_svc.db.modes import OF_NEW_SESSIONS
from console_svc.db.session_rows import IS_OPEN, end_sessions
from console_svc.db.tables import (
    console_auth_tokens,
    console_sessions,
    consoles,
)
from console_svc.endings import (
    Ending,
)
from console_svc.objects import (
    NATIVE_TYPE,
    ConnectInfo,
    ConsoleAuthToken,
    ConsoleSession,
    SessionMode,
)

# Surplus tokens that one request deletes: more are left only where the limit
# was lowered.
_SURPLUS_BATCH: Final = 100


class TokenQueries:
    """Stores, finds and deletes tokens."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @retried
    def create(
        self,
        token: ConsoleAuthToken,
        created_at: int,
        max_unused: int = 0,
        max_of_project: int | None = None,
    ) -> None:
        """Store a token.

        :param max_unused: tokens that its user can have for its server
            without having opened a session with them: the oldest are deleted;
            0: no limit
        :param max_of_project: unused tokens that its project can have; None:
            no limit
        :raises console_svc.over_limit.ProjectOverLimit: its project has them
        """
        with self._connections.writing() as connection:
            if max_of_project is not None:
                lock_project(connection, token.project_id, created_at)
            insert_token(connection, token, created_at)
            if max_unused:
                _delete_surplus(connection, token, max_unused)
            if max_of_project is not None:
                check_token(connection, token, created_at, max_of_project)

    def get(self, token_hash: str, now: int) -> ConsoleAuthToken | None:
        """The token with this hash, unless it has expired.

        :param now: seconds of the UTC epoch
        """
        wanted = {'hash': token_hash, 'now': now}
        rows = self._connections.read(_GET, wanted)
        if not rows and self._connections.has_moved():
            rows = self._connections.read(_GET, wanted)
        if not rows:
            return None
        row = rows[0]
        return ConsoleAuthToken(
            token_hash=token_hash,
            server_id=row['server_id'],
            project_id=row['project_id'],
            user_id=row['user_id'],
            console_type=row['console_type'],
            connect_info=ConnectInfo(
                host=row['host'],
                port=row['port'],
                tls_port=row['tls_port'],
                internal_access_path=row['internal_access_path'],
            ),
            expires=row['expires'],
            client_address=row['client_address'],
            encrypted_ticket=row['encrypted_ticket'],
            mode=SessionMode(row['mode']),
            max_uses=row['max_uses'],
            bound_address=row['bound_address'],
            lists_sessions=row['lists_sessions'],
            record=row['record'],
        )

    def get_project(self, token_hash: str) -> str | None:
        """The project that owns a token, expired or not."""
        columns = console_auth_tokens.c
        rows = self._connections.read(
            sa.select(columns.project_id).where(
                columns.token_hash == token_hash
            )
        )
        return rows[0]['project_id'] if rows else None

    @retried
    def delete(
        self, token_hash: str, ending: Ending
    ) -> Sequence[ConsoleSession]:
        """Delete a token, its sessions and the console that is based on it.

        :returns: the sessions that this has ended
        """
        with self._connections.writing() as connection:
            return _delete(
                connection,
                ending,
                console_auth_tokens.c.token_hash == token_hash,
                consoles.c.token_hash == token_hash,
                console_sessions.c.token_hash == token_hash,
            )

    @retried
    def delete_of_server(
        self, server_id: str, ending: Ending
    ) -> Sequence[ConsoleSession]:
        """Delete a server's tokens, sessions and consoles on the gateway.

        :returns: the sessions that this has ended
        """
        with self._connections.writing() as connection:
            return _delete(
                connection,
                ending,
                console_auth_tokens.c.server_id == server_id,
                sa.and_(
                    consoles.c.server_id == server_id,
                    consoles.c.token_hash.is_not(None),
                ),
                console_sessions.c.server_id == server_id,
            )

    @retried
    def purge(self, now: int, batch: int) -> int:
        """Delete expired tokens and their consoles, at most a batch of them.

        Those whose sessions can be resumed stay.

        :param now: seconds of the UTC epoch
        :returns: the number of tokens deleted
        """
        # Select the ids first: not every database supports DELETE with
        # LIMIT, and rows that are not deleted must not be locked.
        columns = console_auth_tokens.c
        expired = (
            sa.select(columns.id, columns.token_hash)
            .where(columns.expires <= now, ~_HAS_RESUMABLE)
            .order_by(columns.expires)
            .limit(batch)
        )
        rows = self._connections.read(expired)
        if rows:
            with self._connections.writing() as connection:
                connection.execute(
                    console_auth_tokens.delete().where(
                        columns.id.in_([row['id'] for row in rows])
                    )
                )
                connection.execute(
                    consoles.delete().where(
                        consoles.c.token_hash.in_(
                            [row['token_hash'] for row in rows]
                        )
                    )
                )
        return len(rows)


def insert_token(
    connection: sa.Connection, token: ConsoleAuthToken, created_at: int
) -> None:
    """Store a token in a transaction that stores more."""
    info = token.connect_info
    connection.execute(
        _INSERT,
        {
            'token_hash': token.token_hash,
            'server_id': token.server_id,
            'project_id': token.project_id,
            'user_id': token.user_id,
            'console_type': token.console_type,
            'host': info.host,
            'port': info.port,
            'tls_port': info.tls_port,
            'internal_access_path': info.internal_access_path,
            'encrypted_ticket': token.encrypted_ticket,
            'created_at': created_at,
            'expires': token.expires,
            'client_address': token.client_address,
            'mode': token.mode,
            'max_uses': token.max_uses,
            'bound_address': token.bound_address,
            'lists_sessions': token.lists_sessions,
            'record': token.record,
        },
    )


def _delete_surplus(
    connection: sa.Connection, token: ConsoleAuthToken, max_unused: int
) -> None:
    """Delete unused tokens like this one, except for the newest.

    Concurrent transactions do not see each other's tokens. What they leave
    is deleted with the next one.
    """
    surplus = connection.execute(
        _SURPLUS,
        {
            'server': token.server_id,
            'user': token.user_id,
            'number': max_unused,
        },
    )
    ids = surplus.scalars().all()
    if ids:
        connection.execute(_DELETE_UNUSED, [{'token': it} for it in ids])


def _delete(
    connection: sa.Connection,
    ending: Ending,
    of_tokens: sa.ColumnElement[bool],
    of_consoles: sa.ColumnElement[bool],
    of_sessions: sa.ColumnElement[bool],
) -> Sequence[ConsoleSession]:
    connection.execute(console_auth_tokens.delete().where(of_tokens))
    connection.execute(consoles.delete().where(of_consoles))
    return end_sessions(
        connection,
        sa.select(console_sessions).where(of_sessions, IS_OPEN),
        ending,
    )


# Statements of the request path are module-level: SQLAlchemy finds the
# compiled form of the same object faster than that of an equal one.
_INSERT = console_auth_tokens.insert()

# By its primary key: a scan of a small table would also lock the tokens that
# concurrent transactions have inserted, and end in deadlocks on MariaDB.
_DELETE_UNUSED = console_auth_tokens.delete().where(
    console_auth_tokens.c.id == sa.bindparam('token'),
    # It may have been used meanwhile.
    console_auth_tokens.c.uses == 0,
)

# Unused columns are left out, as each one costs time on every look-up.
_UNUSED: Final = {'id', 'token_hash', 'created_at', 'uses', 'resumptions'}
_GET = sa.select(
    *(
        column
        for column in console_auth_tokens.c
        if column.name not in _UNUSED | {'mode', 'lowered'}
    ),
    OF_NEW_SESSIONS,
).where(
    console_auth_tokens.c.token_hash == sa.bindparam('hash'),
    console_auth_tokens.c.expires > sa.bindparam('now'),
)

# Closed sessions count until they are purged.
_HAS_RESUMABLE = sa.exists().where(
    console_sessions.c.token_hash == console_auth_tokens.c.token_hash,
    console_sessions.c.secret_hash.is_not(None),
)

_SURPLUS = (
    sa.select(console_auth_tokens.c.id)
    .where(
        console_auth_tokens.c.server_id == sa.bindparam('server'),
        console_auth_tokens.c.user_id == sa.bindparam('user'),
        console_auth_tokens.c.uses == 0,
        # That of a native console is part of the console.
        console_auth_tokens.c.console_type != NATIVE_TYPE,
    )
    .order_by(console_auth_tokens.c.id.desc())
    .limit(_SURPLUS_BATCH)
    .offset(sa.bindparam('number'))
)
