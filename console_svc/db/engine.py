# SPDX-License-Identifier: Apache-2.0

"""Engines and connections of the database, set up by oslo.db."""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from oslo_config import cfg
from oslo_db import api as oslo_db_api
from oslo_db import exception as db_exception
from oslo_db.sqlalchemy import enginefacade

# Errors that oslo.db does not translate: a full disk or a missing table on
# some engines, and an exhausted connection pool.
_UNTRANSLATED = sa.exc.DBAPIError, sa.exc.TimeoutError

# The entry point of ReadingPlugin in setup.cfg.
_PLUGIN = 'console_svc_reading'

_Function = TypeVar('_Function', bound=Callable[..., Any])


def retried(function: _Function) -> _Function:
    """Repeat a write that lost a deadlock or a Galera certification."""
    decorated: _Function = oslo_db_api.wrap_db_retry(
        max_retries=5,
        retry_interval=0.05,
        inc_retry_interval=True,
        max_retry_interval=1,
        retry_on_deadlock=True,
    )(function)
    return decorated


def _retried_read(function: _Function) -> _Function:
    """Repeat a read, on a new connection if the old one was lost."""
    decorated: _Function = oslo_db_api.wrap_db_retry(
        max_retries=1,
        retry_interval=0.05,
        retry_on_deadlock=True,
        retry_on_disconnect=True,
    )(function)
    return decorated


class Connections:
    """The connections on which queries run.

    :param conf: [database] names the database
    :param timeout: seconds until a database that does not answer is an
        error; None: no limit
    """

    def __init__(
        self, conf: cfg.ConfigOpts, timeout: int | None = None
    ) -> None:
        self._conf = conf
        self._timeout = timeout
        # Made at first use, so that the start needs no database.
        self._lock = threading.Lock()
        self._engines: dict[bool, sa.Engine] = {}

    @property
    def engine(self) -> sa.Engine:
        """The engine that writes."""
        return self._engine(reading=False)

    @property
    def reader(self) -> sa.Engine:
        """The engine that reads."""
        return self._engine(reading=True)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection in autocommit mode, for single statements.

        :raises oslo_db.exception.DBError: any error of the database
        """
        with _translated(), self.reader.connect() as connection:
            yield connection

    @_retried_read
    def read(
        self,
        query: sa.Select[Any],
        parameters: Mapping[str, Any] | None = None,
    ) -> Sequence[sa.RowMapping]:
        """The rows that one SELECT finds.

        :raises oslo_db.exception.DBError: any error of the database
        """
        try:
            with self.reader.connect() as connection:
                return connection.execute(query, parameters).mappings().all()
        except _UNTRANSLATED as error:
            raise db_exception.DBError(error) from error

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A connection in a transaction, which an exception rolls back.

        :raises oslo_db.exception.DBError: any error of the database
        """
        with _translated(), self.engine.begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close all idle connections."""
        for engine in self._engines.values():
            engine.dispose()

    def _engine(self, reading: bool) -> sa.Engine:
        if reading not in self._engines:
            with self._lock:
                if reading not in self._engines:
                    self._engines[reading] = self._make(reading)
        return self._engines[reading]

    def _make(self, reading: bool) -> sa.Engine:
        """Make an engine as [database] configures it."""
        options = dict(self._conf.database)
        url = sa.make_url(options['connection'])
        if self._timeout is not None:
            url = _with_timeout(url, self._timeout)
        if reading:
            url = url.update_query_pairs([('plugin', _PLUGIN)], append=True)
        options['connection'] = url.render_as_string(hide_password=False)
        facade = enginefacade.transaction_context()
        # thread_checkin yields to other green threads, and there are none.
        facade.configure(**options, thread_checkin=False)
        facade.append_on_engine_create(_prepare)
        engine: sa.Engine = facade.writer.get_engine()
        if engine.dialect.name == 'sqlite' and not reading:
            sa.event.listen(
                engine, 'before_cursor_execute', _begin_writing, retval=True
            )
        return engine


def _with_timeout(url: sa.URL, seconds: int) -> sa.URL:
    """Add time-outs to a URL, unless it has its own.

    Other dialects are left alone; SQLite waits only for its lock, and not for
    ever.
    """
    text = str(seconds)
    timeouts = {
        'mysql': {
            'connect_timeout': text,
            'read_timeout': text,
            'write_timeout': text,
        },
        'postgresql': {
            'connect_timeout': text,
            # Milliseconds: the server's limit, and the kernel's for a server
            # that does not answer.
            'options': f'-c statement_timeout={seconds * 1000}',
            'tcp_user_timeout': f'{seconds * 1000}',
        },
    }.get(url.get_backend_name(), {})
    return url.update_query_dict({**timeouts, **url.query})


class ReadingPlugin(sa.CreateEnginePlugin):
    """Turns an engine into one for reading: a SELECT is one round trip.

    By default it is six: a ping, autocommit on, the SELECT, ROLLBACK twice,
    autocommit off.
    """

    def __init__(self, url: sa.URL, kwargs: dict[str, Any]) -> None:
        super().__init__(url, kwargs)
        kwargs['isolation_level'] = 'AUTOCOMMIT'
        kwargs['skip_autocommit_rollback'] = True
        # The query itself finds a lost connection and is repeated.
        kwargs['pool_pre_ping'] = False

    def update_url(self, url: sa.URL) -> sa.URL:
        return url


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _UNTRANSLATED as error:
        raise db_exception.DBError(error) from error


def _prepare(engine: sa.Engine) -> None:
    """Add event listeners before the engine's first connection."""
    if engine.dialect.name == 'sqlite':
        sa.event.listen(engine, 'connect', _prepare_sqlite)
    if engine.dialect.name == 'mysql':
        # Before oslo.db's listener, which raises an exception.
        sa.event.listen(engine, 'handle_error', _leave_node, insert=True)


def _leave_node(context: sa.engine.ExceptionContext) -> None:
    # A Galera node without quorum, or one that is joining, refuses every
    # statement (ER_UNKNOWN_COM_ERROR) but keeps the connection open. A new
    # connection may lead to another node.
    arguments = getattr(context.original_exception, 'args', ())
    if arguments[:1] == (1047,):
        context.is_disconnect = True


def _prepare_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    # WAL: readers do not wait for the writer. The time-out is for writers.
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
    # oslo.db starts each transaction with this statement. A writer must wait
    # for another writer here: a transaction that starts as a reader fails at
    # its first write if another one has written since.
    if statement == 'BEGIN':
        statement = 'BEGIN IMMEDIATE'
    return statement, parameters
