# SPDX-License-Identifier: Apache-2.0

"""Connections to the database, as oslo.db sets them up."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from oslo_config import cfg
from oslo_db import api as oslo_db_api
from oslo_db import exception as db_exception
from oslo_db.sqlalchemy import enginefacade

_Function = TypeVar('_Function', bound=Callable[..., Any])


def retried(function: _Function) -> _Function:
    """Repeat a write that lost against another one."""
    decorated: _Function = oslo_db_api.wrap_db_retry(
        max_retries=5,
        retry_interval=0.05,
        inc_retry_interval=True,
        max_retry_interval=1,
        retry_on_deadlock=True,
    )(function)
    return decorated


class Connections:
    """What queries run on.

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
    def reading(self) -> Iterator[sa.Connection]:
        """A connection for one SELECT: no BEGIN, no ROLLBACK around it.

        :raises oslo_db.exception.DBError: whatever the database says
        """
        with _translated(), self.engine.connect() as connection:
            yield connection.execution_options(isolation_level='AUTOCOMMIT')

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A connection in a transaction: all that is written, or nothing.

        :raises oslo_db.exception.DBError: whatever the database says
        """
        with _translated(), self.engine.begin() as connection:
            yield connection


@contextmanager
def _translated() -> Iterator[None]:
    """Makes oslo.db's error of what oslo.db leaves alone.

    That is a full disk or a missing table on some engines, and a pool that
    had no connection to give.
    """
    try:
        yield
    except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
        raise db_exception.DBError(error) from error


def _prepare(engine: sa.Engine) -> None:
    """What an engine needs before its first connection."""
    if engine.dialect.name == 'sqlite':
        sa.event.listen(engine, 'connect', _prepare_sqlite)
        sa.event.listen(
            engine, 'before_cursor_execute', _begin_writing, retval=True
        )


def _prepare_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    # Readers don't wait for the writer, and a writer waits for the other.
    connection.execute('PRAGMA busy_timeout = 10000')
    connection.execute('PRAGMA journal_mode = WAL')
    connection.execute('PRAGMA synchronous = NORMAL')


def _begin_writing(
    connection: sa.Connection,
    cursor: sqlite3.Cursor,
    statement: str,
    parameters: Any,
    context: Any,
    executemany: bool,
) -> tuple[str, Any]:
    # oslo.db begins each transaction by this statement. A writer is to wait
    # there for the other writer: begun as a reader, it would be refused at
    # its first write if another had written since.
    options = connection.get_execution_options()
    if statement == 'BEGIN' and options.get('isolation_level') != 'AUTOCOMMIT':
        statement = 'BEGIN IMMEDIATE'
    return statement, parameters
