# SPDX-License-Identifier: Apache-2.0

"""Queries of the sessions beside those of a process.

Each change of them counts in the row of the process, so that its console proxy
asks for them only then.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from console_svc.db.engine import Connections
from console_svc.db.session_rows import (
    CLOSED,
    IS_OPEN,
    is_alive,
    to_session,
)
from console_svc.db.tables import console_sessions
from console_svc.objects import ConsoleSession


class OtherSessionQueries:
    """Finds the sessions beside those of a process."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def find(
        self, proxy_id: str, now: int
    ) -> Sequence[tuple[ConsoleSession, bool]]:
        """The current sessions on servers on which a process has one.

        Servers with one session are left out. A page with channels has one
        session, that of its first channel.

        :param now: seconds of the UTC epoch
        :returns: each session, and whether it is one of the process
        """
        shared = self._connections.read(_SHARED, {'proxy': proxy_id})
        if not shared:
            return []
        columns = console_sessions.c
        found = self._connections.read(
            sa.select(console_sessions)
            .where(
                columns.server_id.in_([row['server_id'] for row in shared]),
                columns.main_id.is_(None),
                is_alive(now),
                IS_OPEN,
            )
            .order_by(columns.id)
        )
        return [
            (to_session(row), row['proxy_id'] == proxy_id) for row in found
        ]


_OWN: Final = console_sessions.alias()

# Servers with a session of a process, and another one. Without a subquery: a
# database could look for the sessions of all servers first.
_SHARED: Final = (
    sa.select(console_sessions.c.server_id)
    .join(_OWN, _OWN.c.server_id == console_sessions.c.server_id)
    .where(
        _OWN.c.proxy_id == sa.bindparam('proxy'),
        sa.or_(_OWN.c.expires.is_(None), _OWN.c.expires != CLOSED),
        console_sessions.c.main_id.is_(None),
        IS_OPEN,
    )
    .group_by(console_sessions.c.server_id)
    .having(sa.func.count(console_sessions.c.id.distinct()) > 1)
)
