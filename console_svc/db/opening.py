# SPDX-License-Identifier: Apache-2.0

"""The parts of a transaction that opens a session."""

import dataclasses
from typing import Final

import sqlalchemy as sa
from oslo_db import exception as db_exception

from console_svc import exception
from console_svc.db import channels
from console_svc.db.tables import console_auth_tokens, console_sessions
from console_svc.objects import ConsoleSession, SessionMode


def use_token(
    connection: sa.Connection,
    session: ConsoleSession,
    max_uses: int,
    in_channels: bool,
) -> bool:
    """Use the token of a session in a transaction that stores the session.

    :param max_uses: of the token; 0: no limit
    :param in_channels: as of :meth:`.SessionQueries.open`
    :returns: whether it can be used
    """
    parameters = {
        'hash': session.token_hash,
        'now': session.created_at,
        'is_view': session.mode == SessionMode.VIEW,
    }
    if max_uses:
        parameters['limit'] = max_uses
    use = _USE_LIMITED if max_uses else _USE
    if in_channels:
        uses = console_auth_tokens.c.uses
        has_other = channels.has_other(session)
        use = _COUNT.values(uses=uses + sa.case((has_other, 0), else_=1))
        # A channel has the mode of the others.
        use = use.where(_GIVES_MODE | has_other)
        if max_uses:
            use = use.where(_HAS_USES | has_other)
    used: int = connection.execute(use, parameters).rowcount
    return used == 1


def insert_session(
    connection: sa.Connection,
    session: ConsoleSession,
    alive_until: int,
    in_channels: bool = False,
) -> None:
    """Store a session in a transaction that does more.

    :param in_channels: it is a channel, and the transaction has locked the
        token
    :raises console_svc.exception.SessionIdUsed: there is a session with this
        id, or there was one
    """
    values = {name: getattr(session, name) for name in _STORED}
    values['session_id'] = session.id
    values['alive_until'] = alive_until
    if in_channels:
        main = connection.execute(channels.main_of(session)).mappings().first()
        if main is not None:
            values['main_id'] = main['id']
            # All channels of a page have one mode, which may have changed.
            values['mode'] = values['enforced_mode'] = main['mode']
    try:
        connection.execute(_INSERT, values)
    except db_exception.DBDuplicateEntry:
        raise exception.SessionIdUsed(session_id=session.id) from None


# What a session has in common with its row.
_STORED: Final = tuple(
    field.name
    for field in dataclasses.fields(ConsoleSession)
    if field.name != 'id'
)

# Statements of the request path are module-level: SQLAlchemy finds the
# compiled form of the same object faster than that of an equal one.
_INSERT: Final = console_sessions.insert()

_COUNT: Final = (
    console_auth_tokens.update()
    .where(
        console_auth_tokens.c.token_hash == sa.bindparam('hash'),
        console_auth_tokens.c.expires > sa.bindparam('now'),
    )
    .values(uses=console_auth_tokens.c.uses + 1)
)

# It may have been lowered since the request has read it.
_GIVES_MODE: Final = ~console_auth_tokens.c.lowered | sa.bindparam(
    'is_view', type_=sa.Boolean
)

_USE: Final = _COUNT.where(_GIVES_MODE)

_HAS_USES: Final = console_auth_tokens.c.uses < sa.bindparam('limit')

_USE_LIMITED: Final = _USE.where(_HAS_USES)
