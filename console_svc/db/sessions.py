# SPDX-License-Identifier: Apache-2.0

"""Queries of console sessions."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

import sqlalchemy as sa

from console_svc import exception
from console_svc.db import proxies
from console_svc.db.engine import Connections, retried
from console_svc.db.limits import check_session, lock_all
from console_svc.db.opening import insert_session, use_token
from console_svc.db.replacements import make_room, take_over
from console_svc.db.session_rows import (
    IS_OPEN,
    end_sessions,
    is_alive,
    is_lasting,
    lapse_rows,
    limited,
    to_session,
)
from console_svc.db.tables import console_proxies, console_sessions
from console_svc.endings import Ending, EndReason
from console_svc.objects import (
    NO_LIMITS,
    ConsoleSession,
    SessionLimits,
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
        limits: SessionLimits = NO_LIMITS,
        takes_over: Sequence[str] = (),
    ) -> Mapping[EndReason, Sequence[ConsoleSession]]:
        """Use a token and store the session, or do neither.

        :param alive_until: when the session lapses
        :param max_uses: of the token; 0: no limit
        :param max_sessions: of the server; 0: no limit
        :param replace: end the oldest sessions to make room
        :param in_channels: concurrent sessions of the same token and address
            are one use of the token, and so are those that follow a closed
            one soon (:meth:`.ClosedSessionQueries.add`)
        :param limits: of its user and its project
        :param takes_over: console types of the server whose sessions end if
            they have control; none: it is not a take-over
        :returns: the sessions that this has ended, by the reason
        :raises console_svc.exception.SessionIdUsed: there is a session with
            this id, or there was one
        :raises console_svc.exception.TokenUsedUp: the token has opened as many
            sessions as it may, has expired, was deleted, or gives control no
            more
        :raises console_svc.exception.TooManySessions: the server has as many
            sessions as it may
        :raises console_svc.over_limit.OverLimit: its user or its project has
        """
        ended: dict[EndReason, Sequence[ConsoleSession]] = {}
        with self._connections.writing() as connection:
            lock_all(
                connection, session, max_sessions or len(takes_over), limits
            )
            # Before sessions are counted or ended: a revocation, too, locks
            # tokens first, and so do hosts of the previous version, which
            # lock all tokens of the server.
            if not use_token(connection, session, max_uses, in_channels):
                raise exception.TokenUsedUp
            if takes_over:
                ended[EndReason.TAKEN_OVER] = take_over(
                    connection, session, takes_over, in_channels
                )
            if max_sessions:
                ended[EndReason.REPLACED] = make_room(
                    connection, session, max_sessions, replace
                )
            check_session(connection, session, limits, in_channels)
            insert_session(connection, session, alive_until, in_channels)
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
            is_alive(now),
            IS_OPEN,
        )
        rows = self._connections.read(wanted)
        if not rows and self._connections.has_moved():
            rows = self._connections.read(wanted)
        if not rows:
            return None
        # Not in SQL: for a limit of 1, MySQL would walk through all ids.
        return to_session(max(rows, key=lambda row: row['id']))

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
        kept = proxies.find_lasting(self._connections, session_ids, now)
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
                    .where(
                        console_sessions.c.session_id.in_(to_extend),
                        is_lasting(now),
                    )
                    .values(alive_until=limited(alive_until))
                )
        proxy_ids = {row['proxy_id'] for row in kept} - {None}
        if proxy_ids:
            self._keep_proxies(proxy_ids, alive_until, due)
        return {row['session_id']: row['expires'] for row in kept}

    def _keep_proxies(
        self, proxy_ids: Set[str], alive_until: int, due: int
    ) -> None:
        """Extend processes whose sessions are kept alive one by one.

        A keep-alive of them may have reached a host of the previous version.
        """
        columns = console_proxies.c
        found = self._connections.read(
            sa.select(console_proxies).where(columns.id.in_(proxy_ids))
        )
        recent = {row['id'] for row in found if row['alive_until'] > due}
        for proxy_id in sorted(proxy_ids - recent):
            with self._connections.writing() as connection:
                proxies.extend(connection, proxy_id, alive_until)

    @retried
    def end(
        self, session_id: str, ending: Ending, server_id: str | None = None
    ) -> Sequence[ConsoleSession]:
        """End a session.

        :param server_id: the server that it must belong to; None: any
        :returns: the session, if there was one
        """
        wanted = open_session(session_id)
        if server_id is not None:
            wanted = wanted.where(console_sessions.c.server_id == server_id)
        with self._connections.writing() as connection:
            return end_sessions(connection, wanted, ending)

    @retried
    def purge(
        self, now: int, batch: int, lapse: int
    ) -> Sequence[ConsoleSession]:
        """Delete sessions that have lapsed, at most a batch of them.

        Most of those with a process are deleted with it:
        :meth:`.ProxyQueries.purge`. This deletes those that have expired, and
        those that their process has not named for long.

        :param now: seconds of the UTC epoch
        :param lapse: seconds without a keep-alive after which they lapse
        :returns: the sessions deleted
        """

        def last_sign(row: sa.RowMapping) -> int:
            alive_until: int = row['alive_until']
            if row['proxy_id'] is None:
                return alive_until - lapse
            # When its process has named it.
            return alive_until - max(lapse, proxies.AHEAD)

        columns = console_sessions.c
        lapsed = (
            sa.select(console_sessions)
            .where(columns.alive_until <= now, IS_OPEN)
            .order_by(columns.alive_until)
            .limit(batch)
            .with_for_update()
        )
        with self._connections.writing() as connection:
            found = connection.execute(lapsed).mappings().all()
            return lapse_rows(connection, found, last_sign)


def open_session(session_id: str) -> sa.Select[Any]:
    """The session with this id, unless it was closed."""
    return sa.select(console_sessions).where(
        console_sessions.c.session_id == session_id, IS_OPEN
    )
