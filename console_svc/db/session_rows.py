# SPDX-License-Identifier: Apache-2.0

"""Rows of sessions: conditions on them, and how they end.

A session lives until its ``alive_until``, and with a process of a console
proxy no longer than until that of the process. If it ends, its proxy must get
to know it, and why: the row stays as a closed one that has the reason, and the
id of the process if that is known.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from console_svc.db import history
from console_svc.db.tables import console_proxies, console_sessions
from console_svc.endings import Ending, EndReason
from console_svc.objects import (
    ConsoleSession,
    SessionMode,
)

#: The expiry of a closed session.
CLOSED: Final = 0

#: What remains of a closed session beside its id and the times.
BLANK: Final = {
    'token_hash': '',
    'server_id': '',
    'project_id': '',
    'user_id': None,
    'console_type': '',
    'client_address': None,
    'secret_hash': None,
    'expires': CLOSED,
}

#: Whether a row is an open session: see closed_sessions.py for the others.
IS_OPEN: Final = sa.or_(
    console_sessions.c.expires.is_(None), console_sessions.c.expires != CLOSED
)


def is_lasting(now: Any) -> sa.ColumnElement[bool]:
    """Whether a session is open and has not expired."""
    expires = console_sessions.c.expires
    return sa.or_(expires.is_(None), expires > now)


def is_alive(now: int) -> sa.ColumnElement[bool]:
    """Whether a session has not lapsed.

    A closed SPICE channel is alive as long as it can be opened again.
    """
    sessions, proxies = console_sessions.c, console_proxies.c
    return sa.and_(
        sessions.alive_until > now,
        sa.or_(
            sessions.proxy_id.is_(None),
            sa.and_(
                is_lasting(now),
                sa.exists().where(
                    proxies.id == sessions.proxy_id, proxies.alive_until > now
                ),
            ),
        ),
    )


def limited(alive_until: int) -> sa.ColumnElement[int]:
    """When a session lapses: at its expiry at the latest."""
    expires = console_sessions.c.expires
    return sa.case((expires < alive_until, expires), else_=alive_until)


def end_sessions(
    connection: sa.Connection, wanted: sa.Select[Any], ending: Ending
) -> Sequence[ConsoleSession]:
    """End the open sessions that a query finds.

    :returns: the sessions
    """
    found = connection.execute(wanted.with_for_update()).mappings().all()
    return end_rows(connection, found, ending)


def end_rows(
    connection: sa.Connection, found: Sequence[sa.RowMapping], ending: Ending
) -> Sequence[ConsoleSession]:
    """End open sessions: close them, until their proxies do."""
    history.add(connection, [(row, ending) for row in found])
    if found:
        connection.execute(
            console_sessions.update()
            .where(console_sessions.c.id.in_([row['id'] for row in found]))
            # Other columns keep the time at which the purge can delete the
            # row.
            .values(
                {
                    **BLANK,
                    'end_reason': ending.reason.value,
                    'ended_by': ending.by,
                }
            )
        )
    announce_end(connection, found)
    return [to_session(row) for row in found]


def lapse_rows(
    connection: sa.Connection,
    found: Sequence[sa.RowMapping],
    last_sign: Callable[[sa.RowMapping], int],
) -> Sequence[ConsoleSession]:
    """Delete sessions that have lapsed, although a process may have them.

    :param last_sign: of a row: when the session was last known to live
    """
    history.add(connection, [(row, _lapse(row, last_sign)) for row in found])
    _delete_rows(connection, found)
    announce_end(connection, found)
    return [to_session(row) for row in found]


def _lapse(
    row: sa.RowMapping, last_sign: Callable[[sa.RowMapping], int]
) -> Ending:
    if row['expires'] is not None and row['alive_until'] >= row['expires']:
        return Ending(EndReason.EXPIRED, row['expires'])
    return Ending(EndReason.LAPSED, max(row['created_at'], last_sign(row)))


def _delete_rows(
    connection: sa.Connection, found: Sequence[sa.RowMapping]
) -> None:
    if found:
        connection.execute(
            console_sessions.delete().where(
                console_sessions.c.id.in_([row['id'] for row in found])
            )
        )


def announce_end(
    connection: sa.Connection, ended: Collection[sa.RowMapping]
) -> None:
    """Let processes look for the sessions that are left on the servers.

    :param ended: rows as they were before they ended
    """
    announce_others(connection, {row['server_id'] for row in ended}, 1)


def announce_others(
    connection: sa.Connection, server_ids: Collection[str], least: int = 2
) -> None:
    """Let processes look for the sessions on some servers.

    :param least: sessions that a server must have; a page with channels is one
    """
    if not server_ids:
        return
    columns = console_sessions.c
    found = connection.execute(
        sa.select(
            columns.server_id,
            columns.proxy_id,
            sa.func.coalesce(columns.main_id, columns.session_id),
        ).where(columns.server_id.in_(sorted(server_ids)), IS_OPEN)
    )
    main_ids: dict[str, set[str]] = {}
    proxy_ids: dict[str, set[str]] = {}
    for server_id, proxy_id, main_id in found:
        main_ids.setdefault(server_id, set()).add(main_id)
        if proxy_id is not None:
            proxy_ids.setdefault(server_id, set()).add(proxy_id)
    announced = {
        proxy_id
        for server_id, ids in proxy_ids.items()
        if len(main_ids[server_id]) >= least
        for proxy_id in ids
    }
    proxies = console_proxies.c
    # In one order, as concurrent transactions lock them, too.
    for proxy_id in sorted(announced):
        connection.execute(
            console_proxies.update()
            .where(proxies.id == proxy_id)
            .values(others_changes=proxies.others_changes + 1)
        )


def to_session(row: Mapping[Any, Any]) -> ConsoleSession:
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
        mode=SessionMode(row['mode']),
        # Null: see the column.
        enforced_mode=SessionMode(row['enforced_mode'] or SessionMode.CONTROL),
        lists_sessions=row['lists_sessions'],
        record=row['record'],
    )
