# SPDX-License-Identifier: Apache-2.0

"""Limits of a server, a user and a project.

What has a limit is locked before anything is counted, so that concurrent
requests, of any host, do not exceed the limit. The locks come first in a
transaction: on MySQL, its first SELECT decides what the later ones see.
"""

from typing import Final

import sqlalchemy as sa

from console_svc import over_limit
from console_svc.db.locks import lock_project, lock_server, lock_user
from console_svc.db.session_rows import IS_OPEN, is_alive
from console_svc.db.tables import console_auth_tokens, console_sessions
from console_svc.objects import (
    NATIVE_TYPE,
    NO_LIMITS,
    SESSIONS,
    UNUSED_TOKENS,
    ConsoleAuthToken,
    ConsoleSession,
    SessionLimits,
)


def lock_all(
    connection: sa.Connection,
    session: ConsoleSession,
    max_sessions: int,
    limits: SessionLimits,
) -> None:
    """Lock what a new session counts for, where that has a limit.

    :param max_sessions: of the server; 0: no limit
    """
    now = session.created_at
    if max_sessions:
        lock_server(connection, session.server_id, now)
    if limits.of_user and session.user_id is not None:
        lock_user(connection, session.user_id, now)
    if limits.of_project is not None:
        lock_project(connection, session.project_id, now)


def check_session(
    connection: sa.Connection,
    session: ConsoleSession,
    limits: SessionLimits,
    in_channels: bool,
) -> None:
    """Check that its user and its project can have one more session.

    The transaction must have locked them, and has ended the sessions that
    make room.

    :param in_channels: concurrent sessions of the same token and address
        count as one
    :raises console_svc.over_limit.UserOverLimit: the user cannot
    :raises console_svc.over_limit.ProjectOverLimit: the project cannot
    """
    if limits == NO_LIMITS:
        return
    columns = console_sessions.c
    current = sa.and_(
        is_alive(session.created_at),
        IS_OPEN,
        # That of a repeated request has its place.
        columns.session_id != session.id,
    )
    others = sa.select(columns.id).where(
        columns.token_hash == session.token_hash,
        columns.client_address == session.client_address,
        current,
    )
    if in_channels and connection.execute(others.limit(1)).first():
        return

    def count(owner: sa.ColumnElement[bool]) -> int:
        main_id = sa.func.coalesce(columns.main_id, columns.session_id)
        number: int = connection.execute(
            sa.select(sa.func.count(main_id.distinct())).where(owner, current)
        ).scalar_one()
        return number

    if (
        limits.of_user
        and session.user_id is not None
        and count(columns.user_id == session.user_id) >= limits.of_user
    ):
        raise over_limit.UserOverLimit(limit=limits.of_user)
    if limits.of_project is not None:
        usage = count(columns.project_id == session.project_id)
        if usage >= limits.of_project:
            raise over_limit.ProjectOverLimit(
                session.project_id, SESSIONS, limits.of_project, usage
            )


def check_token(
    connection: sa.Connection, token: ConsoleAuthToken, now: int, limit: int
) -> None:
    """Check that a project can have the unused token that was just stored.

    The transaction must have locked the project.

    :param now: seconds of the UTC epoch
    :param limit: unused tokens of the project
    :raises console_svc.over_limit.ProjectOverLimit: it cannot
    """
    usage = connection.execute(
        _UNUSED,
        {'project': token.project_id, 'now': now, 'hash': token.token_hash},
    ).scalar_one()
    if usage >= limit:
        raise over_limit.ProjectOverLimit(
            token.project_id, UNUSED_TOKENS, limit, usage
        )


_UNUSED: Final = sa.select(sa.func.count()).where(
    console_auth_tokens.c.project_id == sa.bindparam('project'),
    console_auth_tokens.c.expires > sa.bindparam('now'),
    console_auth_tokens.c.uses == 0,
    # That of a native console is part of the console.
    console_auth_tokens.c.console_type != NATIVE_TYPE,
    console_auth_tokens.c.token_hash != sa.bindparam('hash'),
)
