"""The queries: SQLAlchemy Core on an engine that oslo.db has set up.

Nothing here knows the domain's rules; it stores rows and finds them again.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from oslo_config import cfg
from oslo_db import api as oslo_db_api
from oslo_db.sqlalchemy import enginefacade

from console_svc.db.models import console_auth_tokens, consoles

_Function = TypeVar('_Function', bound=Callable[..., Any])


def _retried(function: _Function) -> _Function:
    """Repeat a write that lost against another one."""
    retried: _Function = oslo_db_api.wrap_db_retry(
        max_retries=5,
        retry_interval=0.05,
        inc_retry_interval=True,
        max_retry_interval=1,
        retry_on_deadlock=True,
    )(function)
    return retried


class Database:
    """All that is stored.

    Every method may raise :class:`oslo_db.exception.DBError` when the
    database is away.

    :param conf: where [database] says which
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._facade = enginefacade.transaction_context()
        self._facade.configure(**dict(conf.database))
        self._facade.append_on_engine_create(_prepare)
        self._lock = threading.Lock()
        self._engine: sa.Engine | None = None

    @property
    def engine(self) -> sa.Engine:
        """The engine; made at first use, so that the start needs none."""
        if self._engine is None:
            with self._lock:
                self._engine = self._facade.writer.get_engine()
        return self._engine

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """A connection for one SELECT: no BEGIN, no ROLLBACK around it."""
        with self.engine.connect() as connection:
            yield connection.execution_options(isolation_level='AUTOCOMMIT')

    def ping(self) -> None:
        """Ask the tables something, as a request would."""
        with self._reading() as connection:
            connection.execute(_PING)

    # Native consoles

    def list_consoles(self, server_id: str) -> Sequence[sa.RowMapping]:
        """A server's consoles, in the order of their ids."""
        with self._reading() as connection:
            return (
                connection.execute(_LIST_CONSOLES, {'server': server_id})
                .mappings()
                .all()
            )

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
        with self._reading() as connection:
            return connection.execute(query).scalars().all()

    @_retried
    def create_console(self, values: Mapping[str, Any]) -> None:
        """Store a console.

        :raises oslo_db.exception.DBDuplicateEntry: the server has one on
            this host
        """
        with self.engine.begin() as connection:
            connection.execute(consoles.insert(), values)

    @_retried
    def delete_console(self, console_id: int) -> bool:
        """Forget a console.

        :returns: whether it was there
        """
        with self.engine.begin() as connection:
            result = connection.execute(
                consoles.delete().where(consoles.c.id == console_id)
            )
        return bool(result.rowcount)

    # Console auth tokens

    @_retried
    def create_token(self, values: Mapping[str, Any]) -> None:
        """Store a token."""
        with self.engine.begin() as connection:
            connection.execute(console_auth_tokens.insert(), values)

    def get_token(self, token_hash: str, now: int) -> sa.RowMapping | None:
        """The token with this hash, if it is still valid.

        :param now: seconds of the UTC epoch
        """
        with self._reading() as connection:
            return (
                connection.execute(
                    _GET_TOKEN, {'hash': token_hash, 'now': now}
                )
                .mappings()
                .one_or_none()
            )

    @_retried
    def purge_tokens(self, now: int, batch: int) -> int:
        """Delete expired tokens, at most a batch of them.

        :param now: seconds of the UTC epoch
        :returns: how many
        """
        # The ids first: not every database deletes with LIMIT, and none
        # should lock more than it deletes.
        expired = (
            sa.select(console_auth_tokens.c.id)
            .where(console_auth_tokens.c.expires <= now)
            .order_by(console_auth_tokens.c.expires)
            .limit(batch)
        )
        with self._reading() as connection:
            ids = connection.execute(expired).scalars().all()
        if ids:
            with self.engine.begin() as connection:
                connection.execute(
                    console_auth_tokens.delete().where(
                        console_auth_tokens.c.id.in_(ids)
                    )
                )
        return len(ids)


# Statements of the request path, made once: SQLAlchemy finds their compiled
# form by what they are made of, and that costs less for the same object.
_PING = sa.select(consoles.c.id).limit(1)
_LIST_CONSOLES = (
    sa.select(consoles)
    .where(consoles.c.server_id == sa.bindparam('server'))
    .order_by(consoles.c.id)
)
_GET_TOKEN = sa.select(console_auth_tokens).where(
    console_auth_tokens.c.token_hash == sa.bindparam('hash'),
    console_auth_tokens.c.expires > sa.bindparam('now'),
)


def _prepare(engine: sa.Engine) -> None:
    """What an engine needs before its first connection."""
    if engine.dialect.name == 'sqlite':
        sa.event.listen(engine, 'connect', _prepare_sqlite)


def _prepare_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    # Readers don't wait for the writer, and a writer waits for the other.
    connection.execute('PRAGMA busy_timeout = 10000')
    connection.execute('PRAGMA journal_mode = WAL')
    connection.execute('PRAGMA synchronous = NORMAL')
