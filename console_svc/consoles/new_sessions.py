# SPDX-License-Identifier: Apache-2.0

"""Sessions before they are stored."""

import http
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from oslo_config import cfg
from oslo_utils import uuidutils

from console_svc import addresses, exception
from console_svc.consoles.token_text import hash_of
from console_svc.db.database import Database
from console_svc.objects import (
    NEVER,
    ConsoleSession,
    ConsoleType,
    Grant,
    SessionMode,
)

# Sessions that a refusal names, and others that a page shows, at most.
_MOST_HOLDERS: Final = 10


class TakeoverRefused(exception.ConsoleSvcError):
    """The console token cannot take the console over."""

    status = http.HTTPStatus.CONFLICT
    message = '{reason}'


def describe(
    conf: cfg.ConfigOpts, grant: Grant, error: exception.TooManySessions
) -> None:
    """Add to a refusal what the client may do and know."""
    details: dict[str, Any] = {}
    if _can_take_over(conf, grant):
        details['takeover'] = 'allowed'
    if grant.lists_sessions and error.holders:
        details['holders'] = holders(error.holders)
    error.details = details


def holders(sessions: Sequence[ConsoleSession]) -> list[Mapping[str, Any]]:
    """Sessions as other users may know them: first those with control."""
    found = sorted(sessions, key=lambda it: it.mode != SessionMode.CONTROL)
    return [
        {
            'user_id': it.user_id,
            'client_address': it.client_address,
            'created_at': it.created_at,
            'mode': it.mode,
        }
        for it in found[:_MOST_HOLDERS]
    ]


def _can_take_over(conf: cfg.ConfigOpts, grant: Grant) -> bool:
    """Whether a session of a grant can take the console over."""
    try:
        check_take_over(conf, grant)
    except TakeoverRefused:
        return False
    return True


def check_id(session_id: str) -> None:
    """Refuse ids that no session has: some cannot be sent to a database.

    :raises console_svc.exception.SessionNotFound: no session has this id
    """
    if (
        not uuidutils.is_uuid_like(session_id)
        or str(uuid.UUID(session_id)) != session_id
    ):
        raise exception.SessionNotFound(session_id=session_id)


def check_take_over(conf: cfg.ConfigOpts, grant: Grant) -> None:
    """Check that a session of a grant can take the console over.

    :raises TakeoverRefused: it cannot
    """
    if not conf.consoleauth.allow_takeover:
        raise TakeoverRefused(reason='Consoles cannot be taken over here')
    if grant.mode != SessionMode.CONTROL:
        raise TakeoverRefused(
            reason='A token to watch a console cannot take it over'
        )


def check_address(
    grant: Grant, client_address: str | None, is_bound: bool
) -> None:
    """Check that a client can use a grant from its address.

    :param is_bound: whether only the address that requested it can
    :raises console_svc.exception.WrongAddress: it cannot
    """
    needed = []
    if is_bound:
        needed.append(grant.client_address)
    if grant.bound_address is not None:
        needed.append(grant.bound_address)
    if not all(addresses.same(it, client_address) for it in needed):
        raise exception.WrongAddress


def make(
    conf: cfg.ConfigOpts,
    grant: Grant,
    client_address: str | None,
    session_id: str | None,
    secret: str | None,
    now: int,
) -> ConsoleSession:
    """A session by a grant.

    :param client_address: the address of the proxy's client
    :param session_id: a UUID that the proxy has chosen; None: a new one
    :param secret: the client's to resume it; None: it cannot
    """
    options = conf.consoleauth
    deadline = None
    if options.max_session_time:
        deadline = now + options.max_session_time
    expires = deadline
    if options.enforce_session_timeout and grant.expires < NEVER:
        expires = min(grant.expires, deadline or NEVER)
    secret_hash = None
    if secret is not None and options.resume_time:
        secret_hash = hash_of(secret)
    return ConsoleSession(
        id=session_id or str(uuid.uuid4()),
        token_hash=grant.token_hash,
        server_id=grant.server_id,
        project_id=grant.project_id,
        user_id=grant.user_id,
        console_type=grant.console_type,
        client_address=client_address,
        created_at=now,
        expires=expires,
        secret_hash=secret_hash,
        mode=grant.mode,
        enforced_mode=grant.mode,
        deadline=deadline,
        lists_sessions=grant.lists_sessions,
        record=grant.record,
    )


def alive_until(conf: cfg.ConfigOpts, session: ConsoleSession) -> int:
    """When a new session lapses: at its expiry at the latest."""
    until = session.created_at + int(conf.consoleauth.session_lapse)
    return min(until, session.expires or until)


def find_opened(
    database: Database, session: ConsoleSession
) -> ConsoleSession | None:
    """The session that a repeated request has opened before.

    :param session: that of the repetition; it has the same id
    """
    opened = database.sessions.get(session.id)
    if opened is None or opened.token_hash != session.token_hash:
        return None
    return opened


def is_channel(session: ConsoleSession) -> bool:
    """Whether a page opens several such sessions with one use of its token.

    A SPICE page opens one for each channel.
    """
    return session.console_type == ConsoleType.SPICE_HTML5
