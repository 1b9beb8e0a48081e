# SPDX-License-Identifier: Apache-2.0

"""Tests that run on each database engine, and the objects that they store.

Here they run on SQLite; the integration tests run them on the others.
"""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import fixtures as fixtures_
import sqlalchemy as sa

from console_svc.db import tables
from console_svc.endings import (
    Ending,
    EndReason,
    SessionQuery,
)
from console_svc.objects import (
    ConnectInfo,
    ConsoleAuthToken,
    ConsoleSession,
    NativeConsole,
)
from console_svc.tests import fixtures

NOW = 1_000_000
ENDING = Ending(EndReason.ENDED, NOW, 'root')


class OnDatabase:
    """A test case on the engine of :meth:`url`."""

    def url(self) -> str:
        """Return the URL of a new, empty database."""
        raise NotImplementedError

    def empty(self) -> pathlib.Path:
        """Return the file of a configuration with an empty database."""
        file = self.useFixture(fixtures.Configuration()).file
        with file.open('a') as lines:
            lines.write(f'[database]\nconnection = {self.url()}\n')
        return file

    def configuration(
        self,
        groups: Mapping[str, dict[str, Any]] | None = None,
        **consoleauth: object,
    ) -> fixtures.Configuration:
        """Return a configuration whose database has the current schema.

        :param groups: options of groups other than consoleauth
        """
        return self.useFixture(
            fixtures.Configuration(
                consoleauth=consoleauth,
                database={'connection': self.url()},
                **(groups or {}),
            )
        )


class OnSQLite(OnDatabase):
    def url(self) -> str:
        folder = self.useFixture(fixtures_.TempDir()).path
        return f'sqlite:///{folder}/console-svc.sqlite'


class Queries(OnDatabase):
    """A database with the current schema, and what its queries don't show."""

    def setUp(self) -> None:
        super().setUp()
        self.database = self.configuration().database

    def create_token(self, token_hash: str, **values: Any) -> None:
        self.database.tokens.create(token(token_hash, **values), NOW)

    def open_session(
        self,
        session_id: str,
        alive_until: int = NOW + 30,
        max_uses: int = 0,
        max_sessions: int = 0,
        replace: bool = False,
        in_channels: bool = False,
        takes_over: Sequence[str] = (),
        **values: Any,
    ) -> Sequence[str]:
        """Open a session; return the ids of those that this has ended."""
        ended = self.database.sessions.open(
            session(session_id, **values),
            alive_until,
            max_uses=max_uses,
            max_sessions=max_sessions,
            replace=replace,
            in_channels=in_channels,
            takes_over=takes_over,
        )
        return [it.id for sessions in ended.values() for it in sessions]

    def list_sessions(
        self, server_id: str = 'server', now: int = NOW
    ) -> Sequence[str]:
        """Return the ids of a server's sessions."""
        query = SessionQuery(server_id=server_id, limit=1000)
        return ids(self.database.session_lists.live(query, now))

    def hashes(self) -> Sequence[str]:
        """Return the hashes of all tokens, sorted."""
        return sorted(self.column(tables.console_auth_tokens.c.token_hash))

    def column(self, column: sa.Column[Any]) -> Sequence[Any]:
        """Return a column of all rows, the oldest row first."""
        query = sa.select(column).order_by(column.table.c.id)
        with self.database.engine.connect() as connection:
            return connection.execute(query).scalars().all()


def ids(sessions: Sequence[ConsoleSession]) -> Sequence[str]:
    return [each.id for each in sessions]


def console(server_id: str = 'server', **values: Any) -> NativeConsole:
    return NativeConsole(
        **{
            'server_id': server_id,
            'server_host': 'compute-1',
            'console_type': 'vnc',
            'instance_name': 'instance-00000001',
            'host': '192.0.2.1',
            'port': 5900,
            'encrypted_password': 'secret',
            **values,
        }
    )


def token(token_hash: str, **values: Any) -> ConsoleAuthToken:
    return ConsoleAuthToken(
        **{
            'token_hash': token_hash,
            'server_id': 'server',
            'project_id': 'demo',
            'user_id': 'joe',
            'console_type': 'novnc',
            'connect_info': ConnectInfo('192.0.2.1', 5900),
            'expires': NOW + 600,
            'lists_sessions': True,
            **values,
        }
    )


def session(session_id: str, **values: Any) -> ConsoleSession:
    return ConsoleSession(
        **{
            'id': session_id,
            'token_hash': 'hash',
            'server_id': 'server',
            'project_id': 'demo',
            'user_id': 'joe',
            'console_type': 'novnc',
            'client_address': '2001:db8::1',
            'created_at': NOW,
            'expires': NOW + 600,
            **values,
        }
    )
