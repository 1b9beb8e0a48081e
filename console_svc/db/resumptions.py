# SPDX-License-Identifier: Apache-2.0

"""Queries that resume sessions.

The secret of a session is stored in its row, as long as it is open, and after
it was closed. That of a session that has ended otherwise is deleted, so that
it cannot be resumed.
"""

import dataclasses
from collections.abc import Sequence

import sqlalchemy as sa

from console_svc.db.engine import Connections, retried
from console_svc.db.limits import check_session, lock_all
from console_svc.db.opening import insert_session
from console_svc.db.replacements import make_room
from console_svc.db.session_rows import (
    BLANK,
    CLOSED,
    end_rows,
    is_alive,
    is_lasting,
)
from console_svc.db.tables import console_auth_tokens, console_sessions
from console_svc.endings import Ending, EndReason, ResumedSessions
from console_svc.objects import (
    NO_LIMITS,
    ConsoleSession,
    SessionLimits,
    SessionMode,
)


class ResumptionQueries:
    """Resumes sessions, and forgets that closed ones can be resumed."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @retried
    def resume(
        self,
        session: ConsoleSession,
        alive_until: int,
        secret_hash: str,
        *,
        closed_after: int,
        alive_after: int,
        max_sessions: int,
        replace: bool,
        in_channels: bool = False,
        limits: SessionLimits = NO_LIMITS,
    ) -> ResumedSessions | None:
        """Store a session that resumes another one, or do nothing.

        The other must be of the same token and client address. If it is open,
        it ends.

        :param alive_until: when the session lapses
        :param secret_hash: of the session to resume
        :param closed_after: a session that was closed until this second
            cannot be resumed
        :param alive_after: nor can one that has lapsed until this second
        :param max_sessions: of the server; 0: no limit
        :param replace: end the oldest sessions to make room
        :param in_channels: several sessions can resume the same one, which
            does not end
        :param limits: of its user and its project
        :returns: None if there is no such session to resume
        :raises console_svc.exception.SessionIdUsed: there is a session with
            the new id, or there was one
        :raises console_svc.exception.TooManySessions: the other was closed
            or has lapsed, and the server has as many sessions as it may
        :raises console_svc.over_limit.OverLimit: so it was, and the user or
            the project has
        """
        sessions, tokens = console_sessions.c, console_auth_tokens.c
        # Find the row's key first: a locking read that finds nothing would
        # lock a gap of the index on MySQL.
        found = self._connections.read(
            sa.select(sessions.id).where(
                sessions.token_hash == session.token_hash,
                sessions.secret_hash == secret_hash,
            )
        )
        if not found:
            return None
        now = session.created_at
        resumable = (
            sa.select(console_sessions, is_alive(now).label('is_current'))
            .where(
                sessions.id == found[0]['id'],
                sessions.secret_hash == secret_hash,
                sessions.client_address == session.client_address,
                sa.or_(sessions.deadline.is_(None), sessions.deadline > now),
                sa.or_(
                    sa.and_(
                        sessions.expires == CLOSED,
                        sessions.alive_until > closed_after,
                    ),
                    sa.and_(is_lasting(now), is_alive(alive_after)),
                ),
            )
            .with_for_update()
        )
        use = (
            console_auth_tokens.update()
            .where(tokens.token_hash == session.token_hash)
            .values(resumptions=tokens.resumptions + 1)
        )
        ended: Sequence[ConsoleSession] = ()
        replaced: Sequence[ConsoleSession] = ()
        with self._connections.writing() as connection:
            lock_all(connection, session, max_sessions, limits)
            # Locks the token before sessions, as a revocation does.
            if connection.execute(use).rowcount != 1:
                return None
            row = connection.execute(resumable).mappings().first()
            if row is None:
                connection.rollback()
                return None
            # One that has lapsed does not count as a session.
            has_place = row['expires'] != CLOSED and row['is_current']
            if not in_channels:
                ended = _end(connection, row, now)
            if in_channels or not has_place:
                if max_sessions:
                    replaced = make_room(
                        connection, session, max_sessions, replace
                    )
                check_session(connection, session, limits, in_channels)
            mode = SessionMode(row['mode'])
            session = dataclasses.replace(
                _with_deadline(session, row['deadline']),
                mode=mode,
                enforced_mode=mode,
            )
            insert_session(
                connection,
                session,
                min(alive_until, session.expires or alive_until),
                in_channels,
            )
        previous_id = None if in_channels else row['session_id']
        return ResumedSessions(session, previous_id, ended, replaced)

    @retried
    def forget(self, session_id: str, server_id: str) -> bool:
        """Do not let a closed session be resumed.

        :returns: whether the server had such a session
        """
        sessions, tokens = console_sessions.c, console_auth_tokens.c
        of_server = sa.select(tokens.token_hash).where(
            tokens.server_id == server_id
        )
        with self._connections.writing() as connection:
            forgotten = connection.execute(
                console_sessions.update()
                .where(
                    sessions.session_id == session_id,
                    sessions.expires == CLOSED,
                    sessions.secret_hash.is_not(None),
                    sessions.token_hash.in_(of_server),
                )
                .values(BLANK)
            )
        return forgotten.rowcount == 1


def _with_deadline(
    session: ConsoleSession, deadline: int | None
) -> ConsoleSession:
    """A session with the deadline of the one that it resumes.

    :param deadline: None: that one has none
    """
    if deadline is None:
        return session
    return dataclasses.replace(
        session,
        deadline=min(deadline, session.deadline or deadline),
        expires=min(deadline, session.expires or deadline),
    )


def _end(
    connection: sa.Connection, row: sa.RowMapping, now: int
) -> Sequence[ConsoleSession]:
    """End a session that is resumed, or blank the row of a closed one.

    :returns: the session that has ended
    """
    if row['expires'] != CLOSED:
        return end_rows(connection, [row], Ending(EndReason.RESUMED, now))
    connection.execute(
        console_sessions.update()
        .where(console_sessions.c.id == row['id'])
        .values(BLANK)
    )
    return ()
