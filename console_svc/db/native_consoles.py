# SPDX-License-Identifier: Apache-2.0

"""Queries of native consoles."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from console_svc.db.engine import Connections, retried
from console_svc.db.modes import OF_NEW_SESSIONS
from console_svc.db.tables import console_auth_tokens, consoles
from console_svc.db.tokens import insert_token
from console_svc.objects import (
    NATIVE_TYPE,
    ConsoleAuthToken,
    GatewayConsole,
    GatewayPort,
    NativeConsole,
    SessionMode,
)


class NativeConsoleQueries:
    """Stores, finds and deletes native consoles."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def list(self, server_id: str) -> Sequence[NativeConsole]:
        """A server's consoles, in the order of their ids."""
        rows = self._connections.read(_LIST, {'server': server_id})
        return [NativeConsole(**row) for row in rows]

    def list_servers(self, after: str, limit: int) -> Sequence[str]:
        """The ids of the servers that have consoles, one page at a time.

        :param after: the last id of the previous page; '' for the first page
        """
        server_id = consoles.c.server_id
        rows = self._connections.read(
            sa.select(server_id)
            .where(server_id > after)
            .group_by(server_id)
            .order_by(server_id)
            .limit(limit)
        )
        return [row['server_id'] for row in rows]

    @retried
    def create(self, console: NativeConsole, created_at: int) -> None:
        """Store a console that the driver has opened.

        :raises oslo_db.exception.DBDuplicateEntry: the server has a console
            on this host
        """
        with self._connections.writing() as connection:
            _insert(connection, console, created_at)

    @retried
    def create_on_gateway(
        self, console: NativeConsole, token: ConsoleAuthToken, created_at: int
    ) -> None:
        """Store a console on the gateway and its token, or neither.

        :raises oslo_db.exception.DBDuplicateEntry: the server has a console
            on this host, or the port belongs to another console
        """
        with self._connections.writing() as connection:
            _insert(connection, console, created_at)
            insert_token(connection, token, created_at)

    @retried
    def delete(self, console_id: int) -> bool:
        """Delete a console.

        :returns: whether it existed
        """
        with self._connections.writing() as connection:
            result = connection.execute(
                consoles.delete().where(consoles.c.id == console_id)
            )
        return bool(result.rowcount)

    @retried
    def delete_on_gateway(self, token_hash: str) -> None:
        """Delete a console on the gateway and its token, not its sessions."""
        with self._connections.writing() as connection:
            for table in (console_auth_tokens, consoles):
                connection.execute(
                    table.delete().where(table.c.token_hash == token_hash)
                )

    def list_ports(self) -> Sequence[GatewayPort]:
        """The ports of the gateway that belong to one console each."""
        columns = consoles.c
        rows = self._connections.read(
            sa.select(
                columns.gateway_port, columns.token_hash, columns.expires
            ).where(columns.gateway_port.is_not(None))
        )
        return [GatewayPort(*row.values()) for row in rows]

    @retried
    def expire_if_used_up(
        self, token_hash: str, now: int, max_uses: int
    ) -> None:
        """Let a console on the gateway expire if its token is used up.

        The token stays, so that further log-ins fail with that reason.

        :param now: seconds of the UTC epoch
        :param max_uses: sessions that the token can open
        """
        tokens = console_auth_tokens.c
        is_used_up = sa.exists().where(
            tokens.token_hash == token_hash, tokens.uses >= max_uses
        )
        with self._connections.writing() as connection:
            connection.execute(
                consoles.update()
                .where(consoles.c.token_hash == token_hash, is_used_up)
                .values(expires=now)
            )

    # Log-ins

    def find_by_port(self, port: int, now: int) -> GatewayConsole | None:
        """The console that has this port of the gateway for itself."""
        return next(iter(self._find(_BY_PORT, port, now)), None)

    def find_by_server(
        self, server_id: str, now: int
    ) -> GatewayConsole | None:
        """The newest console of a server."""
        return next(iter(self._find(_BY_SERVER, server_id, now)), None)

    def find_by_instance_name(
        self, name: str, now: int
    ) -> Sequence[GatewayConsole]:
        """The newest two consoles of servers with this name."""
        return self._find(_BY_INSTANCE_NAME, name, now)

    def _find(
        self, query: sa.Select[Any], value: int | str, now: int
    ) -> Sequence[GatewayConsole]:
        rows = self._connections.read(query, {'value': value, 'now': now})
        return [
            GatewayConsole(
                **{
                    **row,
                    'console_type': NATIVE_TYPE,
                    'mode': SessionMode(row['mode']),
                }
            )
            for row in rows
        ]


def _insert(
    connection: sa.Connection, console: NativeConsole, created_at: int
) -> None:
    values = dataclasses.asdict(console)
    # The database assigns the id.
    del values['id']
    connection.execute(consoles.insert(), {**values, 'created_at': created_at})


# Statements of the request path are module-level: SQLAlchemy finds the
# compiled form of the same object faster than that of an equal one.
_LIST = (
    sa.select(
        *(consoles.c[it.name] for it in dataclasses.fields(NativeConsole))
    )
    .where(consoles.c.server_id == sa.bindparam('server'))
    .order_by(consoles.c.id)
)


def _find_by(column: sa.ColumnElement[Any]) -> sa.Select[Any]:
    tokens = console_auth_tokens.c
    return (
        sa.select(
            consoles.c.id,
            consoles.c.server_id,
            consoles.c.server_host,
            consoles.c.encrypted_password,
            consoles.c.token_hash,
            tokens.project_id,
            tokens.user_id,
            tokens.client_address,
            tokens.expires,
            tokens.lists_sessions,
            OF_NEW_SESSIONS,
            tokens.record,
        )
        .join(console_auth_tokens, tokens.token_hash == consoles.c.token_hash)
        .where(
            column == sa.bindparam('value'),
            tokens.expires > sa.bindparam('now'),
        )
        .order_by(consoles.c.id.desc())
        .limit(2)
    )


_BY_PORT = _find_by(consoles.c.gateway_port)
_BY_SERVER = _find_by(consoles.c.server_id)
_BY_INSTANCE_NAME = _find_by(consoles.c.instance_name)
