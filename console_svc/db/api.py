# SPDX-License-Identifier: Apache-2.0

"""The queries: SQLAlchemy Core on an engine that oslo.db has set up.

Nothing here knows the domain's rules; it stores rows and finds them again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from console_svc.db.engine import Connections, retried
from console_svc.db.tables import (
    console_auth_tokens,
    console_sessions,
    consoles,
    leases,
)


class UsedUp(Exception):
    """A token has no use left."""


class Full(Exception):
    """A server has no room for another session."""


class Database(Connections):
    """All that is stored.

    Every method may raise :class:`oslo_db.exception.DBError`: the database
    is away, or cannot do it.
    """

    def ping(self) -> None:
        """Ask the tables something, as a request would."""
        self.read(_PING)

    # Native consoles

    def list_consoles(self, server_id: str) -> Sequence[sa.RowMapping]:
        """A server's consoles, in the order of their ids."""
        return self.read(_LIST_CONSOLES, {'server': server_id})

    def list_servers_with_consoles(
        self, after: str, limit: int
    ) -> Sequence[str]:
        """Ids of servers that have consoles, a page at a time.

        :param after: the last id of the page before; '' for the first
        """
        query = (
            sa.select(consoles.c.server_id)
            .where(consoles.c.server_id > after)
            .group_by(consoles.c.server_id)
            .order_by(consoles.c.server_id)
            .limit(limit)
        )
        return [row['server_id'] for row in self.read(query)]

    @retried
    def create_console(self, values: Mapping[str, Any]) -> None:
        """Store a console.

        :raises oslo_db.exception.DBDuplicateEntry: the server has one on
            this host
        """
        with self.writing() as connection:
            connection.execute(consoles.insert(), values)

    @retried
    def create_gateway_console(
        self, values: Mapping[str, Any], token: Mapping[str, Any]
    ) -> None:
        """Store a console behind a gateway and its token, or neither.

        :raises oslo_db.exception.DBDuplicateEntry: the server has one on
            this host, or the port is another's
        """
        with self.writing() as connection:
            connection.execute(consoles.insert(), values)
            connection.execute(console_auth_tokens.insert(), token)

    def list_gateway_ports(self) -> Sequence[sa.RowMapping]:
        """The ports that consoles have of their own.

        :returns: port, token and expiry of each console that has one
        """
        columns = consoles.c
        return self.read(
            sa.select(
                columns.gateway_port, columns.token_hash, columns.expires
            ).where(columns.gateway_port.is_not(None))
        )

    @retried
    def expire_if_used_up(
        self, token_hash: str, now: int, max_uses: int
    ) -> None:
        """A console behind a gateway is over when its token has no use left.

        The token itself is left, so that log-ins hear why they fail.
        """
        token = console_auth_tokens.c
        is_used_up = sa.exists().where(
            token.token_hash == token_hash, token.uses >= max_uses
        )
        with self.writing() as connection:
            connection.execute(
                consoles.update()
                .where(consoles.c.token_hash == token_hash, is_used_up)
                .values(expires=now)
            )

    @retried
    def forget_gateway_console(self, token_hash: str) -> None:
        """Delete a console behind a gateway and its token; sessions go on."""
        with self.writing() as connection:
            for table in (console_auth_tokens, consoles):
                connection.execute(
                    table.delete().where(table.c.token_hash == token_hash)
                )

    def find_gateway_consoles(
        self, column: str, value: int | str, now: int
    ) -> Sequence[sa.RowMapping]:
        """Consoles behind a gateway, with what their tokens say.

        :param column: ``gateway_port``, ``server_id`` or ``instance_name``
        :param now: seconds of the UTC epoch; what has expired is not found
        :returns: the newest two at most
        """
        return self.read(
            _FIND_GATEWAY_CONSOLES[column], {'value': value, 'now': now}
        )

    @retried
    def count_failure(
        self, console_id: int, now: int, max_failures: int, locked_until: int
    ) -> tuple[bool, sa.RowMapping | None]:
        """Count a log-in as failed, unless the console is locked.

        :param max_failures: with so many the console is locked, and they are
            counted anew
        :param locked_until: until when
        :returns: whether it was counted; ``failures`` and ``locked_until`` of
            the console now, None: it is gone
        """
        columns = consoles.c
        one_too_many = columns.failures + 1 >= max_failures
        with self.writing() as connection:
            counted = connection.execute(
                consoles.update()
                .where(columns.id == console_id, columns.locked_until <= now)
                # In this order: MySQL knows the new values of those before.
                .ordered_values(
                    (
                        columns.locked_until,
                        sa.case(
                            (one_too_many, locked_until),
                            else_=columns.locked_until,
                        ),
                    ),
                    (
                        columns.failures,
                        sa.case((one_too_many, 0), else_=columns.failures + 1),
                    ),
                )
            )
            row = (
                connection.execute(
                    sa.select(columns.failures, columns.locked_until).where(
                        columns.id == console_id
                    )
                )
                .mappings()
                .one_or_none()
            )
        return counted.rowcount == 1, row

    @retried
    def forget_failures(self, console_id: int) -> None:
        """Somebody has logged in."""
        with self.writing() as connection:
            connection.execute(
                consoles.update()
                .where(consoles.c.id == console_id)
                .values(failures=0, locked_until=0)
            )

    @retried
    def delete_console(self, console_id: int) -> bool:
        """Forget a console.

        :returns: whether it was there
        """
        with self.writing() as connection:
            result = connection.execute(
                consoles.delete().where(consoles.c.id == console_id)
            )
        return bool(result.rowcount)

    # Console auth tokens

    @retried
    def create_token(self, values: Mapping[str, Any]) -> None:
        """Store a token."""
        with self.writing() as connection:
            connection.execute(console_auth_tokens.insert(), values)

    def get_token(self, token_hash: str, now: int) -> sa.RowMapping | None:
        """The token with this hash, if it is still valid.

        :param now: seconds of the UTC epoch
        """
        rows = self.read(_GET_TOKEN, {'hash': token_hash, 'now': now})
        return rows[0] if rows else None

    @retried
    def purge_tokens(self, now: int, batch: int) -> int:
        """Delete expired tokens and their consoles, at most a batch of them.

        :param now: seconds of the UTC epoch
        :returns: how many
        """
        # The ids first: not every database deletes with LIMIT, and none
        # should lock more than it deletes.
        columns = console_auth_tokens.c
        expired = (
            sa.select(columns.id, columns.token_hash)
            .where(columns.expires <= now)
            .order_by(columns.expires)
            .limit(batch)
        )
        rows = self.read(expired)
        if rows:
            with self.writing() as connection:
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

    @retried
    def purge_sessions(self, now: int, batch: int) -> Sequence[sa.RowMapping]:
        """Delete sessions that are over, at most a batch of them.

        :returns: which
        """
        over = (
            sa.select(console_sessions)
            .where(console_sessions.c.alive_until <= now)
            .order_by(console_sessions.c.alive_until)
            .limit(batch)
        )
        with self.writing() as connection:
            return _end_sessions(connection, over)

    def find_tokens(self, column: str, value: str) -> Sequence[sa.RowMapping]:
        """Tokens, expired or not, by ``token_hash`` or ``server_id``."""
        query = sa.select(console_auth_tokens).where(
            console_auth_tokens.c[column] == value
        )
        return self.read(query)

    @retried
    def delete_tokens(
        self, column: str, value: str
    ) -> Sequence[sa.RowMapping]:
        """Delete tokens, their sessions and the consoles upon them.

        :param column: ``token_hash`` or ``server_id``
        :returns: the sessions that this has ended
        """
        with self.writing() as connection:
            connection.execute(
                console_auth_tokens.delete().where(
                    console_auth_tokens.c[column] == value
                )
            )
            connection.execute(
                consoles.delete().where(
                    consoles.c[column] == value,
                    consoles.c.token_hash.is_not(None),
                )
            )
            return _end_sessions(
                connection,
                sa.select(console_sessions).where(
                    console_sessions.c[column] == value
                ),
            )

    # Console sessions

    @retried
    def open_session(
        self,
        values: Mapping[str, Any],
        now: int,
        max_uses: int,
        max_sessions: int,
        replace: bool,
        in_channels: bool = False,
    ) -> Sequence[sa.RowMapping]:
        """Use a token and store its session, or neither.

        :param values: of the session
        :param max_uses: of the token; 0: no limit
        :param in_channels: whether sessions beside one that the same address
            has with this token are the same use of it
        :param max_sessions: of the server; 0: no limit
        :param replace: whether the oldest make room
        :returns: the sessions that this has ended
        :raises console_svc.db.api.UsedUp: the token has no use left, or is
            gone
        :raises console_svc.db.api.Full: there is no room
        """
        tokens = console_auth_tokens
        more: sa.ColumnElement[int] = sa.literal(1)
        unused = tokens.c.uses < max_uses
        if in_channels:
            beside = _is_beside(values, now)
            more = sa.case((beside, 0), else_=1)
            unused = unused | beside
        use = (
            tokens.update()
            .where(
                tokens.c.token_hash == values['token_hash'],
                tokens.c.expires > now,
            )
            .values(uses=tokens.c.uses + more)
        )
        if max_uses:
            use = use.where(unused)
        ended: Sequence[sa.RowMapping] = []
        with self.writing() as connection:
            if max_sessions:
                ended = _make_room(
                    connection, values['server_id'], now, max_sessions, replace
                )
            if connection.execute(use).rowcount != 1:
                raise UsedUp
            connection.execute(console_sessions.insert(), values)
        return ended

    def list_sessions(
        self, server_id: str, now: int
    ) -> Sequence[sa.RowMapping]:
        """The sessions that a server has now, the oldest first."""
        return self.read(_sessions_of(server_id, now))

    @retried
    def keep_session(
        self, session_id: str, token_hash: str, now: int, alive_until: int
    ) -> sa.RowMapping | None:
        """Put off the end of a session that has not lapsed.

        :returns: the session; None: there is none
        """
        wanted = (
            console_sessions.c.session_id == session_id,
            console_sessions.c.token_hash == token_hash,
            console_sessions.c.alive_until > now,
        )
        with self.writing() as connection:
            connection.execute(
                console_sessions.update()
                .where(*wanted)
                .values(alive_until=_not_beyond_its_end(alive_until))
            )
            # Not by rowcount: MySQL counts only what changed.
            return (
                connection.execute(sa.select(console_sessions).where(*wanted))
                .mappings()
                .one_or_none()
            )

    @retried
    def keep_sessions(
        self, session_ids: Sequence[str], now: int, alive_until: int, due: int
    ) -> Sequence[sa.RowMapping]:
        """Put off the end of sessions, of those too that have lapsed.

        :param due: sessions that end after this second are left alone
        :returns: id and expiry of those that are there and not expired
        """
        columns = console_sessions.c
        lasting = sa.or_(columns.expires.is_(None), columns.expires > now)
        kept = self.read(
            sa.select(
                columns.session_id, columns.expires, columns.alive_until
            ).where(columns.session_id.in_(session_ids), lasting)
        )
        # Only these are written, and found by their ids alone: rows of
        # others would be locked.
        putting_off = [
            row['session_id']
            for row in kept
            if row['alive_until'] <= due
            and row['alive_until'] != row['expires']
        ]
        if putting_off:
            with self.writing() as connection:
                connection.execute(
                    console_sessions.update()
                    .where(columns.session_id.in_(putting_off), lasting)
                    .values(alive_until=_not_beyond_its_end(alive_until))
                )
        return kept

    @retried
    def delete_session(
        self, session_id: str, column: str, value: str
    ) -> Sequence[sa.RowMapping]:
        """End a session.

        :param column: ``token_hash`` or ``server_id``, which must fit too;
            ``session_id``: no more need fit
        :returns: the session, if it was there
        """
        with self.writing() as connection:
            return _end_sessions(
                connection,
                sa.select(console_sessions).where(
                    console_sessions.c.session_id == session_id,
                    console_sessions.c[column] == value,
                ),
            )

    # Leases

    @retried
    def take_lease(self, name: str, now: int, until: int) -> bool:
        """Take a lease that nobody has.

        :returns: whether it is the caller's now
        """
        with self.writing() as connection:
            result = connection.execute(
                leases.update()
                .where(leases.c.name == name, leases.c.expires <= now)
                .values(expires=until)
            )
        return result.rowcount == 1


def _is_beside(values: Mapping[str, Any], now: int) -> sa.Exists:
    """Whether a session has another beside it: same token, same address."""
    columns = console_sessions.c
    return (
        sa.select(columns.id)
        .where(
            columns.token_hash == values['token_hash'],
            columns.client_address == values['client_address'],
            columns.alive_until > now,
        )
        .exists()
    )


def _sessions_of(server_id: str, now: int) -> sa.Select[Any]:
    return (
        sa.select(console_sessions)
        .where(
            console_sessions.c.server_id == server_id,
            console_sessions.c.alive_until > now,
        )
        .order_by(console_sessions.c.id)
    )


def _not_beyond_its_end(alive_until: int) -> sa.ColumnElement[int]:
    """Until when a session is kept alive: no longer than it lasts."""
    expires = console_sessions.c.expires
    return sa.case((expires < alive_until, expires), else_=alive_until)


def _end_sessions(
    connection: sa.Connection, wanted: sa.Select[Any]
) -> Sequence[sa.RowMapping]:
    """Delete sessions, and tell which they were."""
    sessions = connection.execute(wanted.with_for_update()).mappings().all()
    _delete_sessions(connection, sessions)
    return sessions


def _delete_sessions(
    connection: sa.Connection, sessions: Sequence[sa.RowMapping]
) -> None:
    ids = [row['id'] for row in sessions]
    if ids:
        connection.execute(
            console_sessions.delete().where(console_sessions.c.id.in_(ids))
        )


def _make_room(
    connection: sa.Connection,
    server_id: str,
    now: int,
    max_sessions: int,
    replace: bool,
) -> Sequence[sa.RowMapping]:
    """See that a server has room for a session more."""
    # Who opens a session of this server writes these rows first, and so
    # waits for everybody else who does.
    connection.execute(
        console_auth_tokens.update()
        .where(console_auth_tokens.c.server_id == server_id)
        .values(uses=console_auth_tokens.c.uses)
    )
    sessions = (
        connection.execute(_sessions_of(server_id, now)).mappings().all()
    )
    surplus = sessions[: max(0, len(sessions) - max_sessions + 1)]
    if not surplus:
        return []
    if not replace:
        raise Full
    _delete_sessions(connection, surplus)
    return surplus


# Statements of the request path, made once: SQLAlchemy finds their compiled
# form by what they are made of, and that costs less for the same object.
_PING = sa.select(consoles.c.id).limit(1)
_LIST_CONSOLES = (
    sa.select(consoles)
    .where(consoles.c.server_id == sa.bindparam('server'))
    .order_by(consoles.c.id)
)
_GET_TOKEN = sa.select(
    # Columns that nobody reads cost, too.
    *(
        column
        for column in console_auth_tokens.c
        if column.name not in ('id', 'token_hash', 'created_at', 'uses')
    )
).where(
    console_auth_tokens.c.token_hash == sa.bindparam('hash'),
    console_auth_tokens.c.expires > sa.bindparam('now'),
)
_FIND_GATEWAY_CONSOLES = {
    name: sa.select(
        consoles.c.id,
        consoles.c.server_id,
        consoles.c.server_host,
        consoles.c.encrypted_password,
        consoles.c.token_hash,
        console_auth_tokens.c.project_id,
        console_auth_tokens.c.user_id,
        console_auth_tokens.c.client_address,
        console_auth_tokens.c.expires,
    )
    .join(
        console_auth_tokens,
        console_auth_tokens.c.token_hash == consoles.c.token_hash,
    )
    .where(
        consoles.c[name] == sa.bindparam('value'),
        console_auth_tokens.c.expires > sa.bindparam('now'),
    )
    .order_by(consoles.c.id.desc())
    .limit(2)
    for name in ('gateway_port', 'server_id', 'instance_name')
}
