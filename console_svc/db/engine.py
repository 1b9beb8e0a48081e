# SPDX-License-Identifier: Apache-2.0

"""Connections to the database, as oslo.db sets them up."""

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

# What oslo.db leaves alone: a full disk or a missing table on some engines,
# and a pool that had no connection to give.
_UNTRANSLATED = sa.exc.DBAPIError, sa.exc.TimeoutError

# setup.cfg names it.
_PLUGIN = 'console_svc_reading'

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


def _repeated(function: _Function) -> _Function:
    """Repeat a read: on a new connection, if the old one has died."""
    decorated: _Function = oslo_db_api.wrap_db_retry(
        max_retries=1,
        retry_interval=0.05,
        retry_on_deadlock=True,
        retry_on_disconnect=True,
    )(function)
    return decorated


class Connections:
    """What queries run on.

    :param conf: where [database] says which
    :param timeout: seconds until a database that does not answer is given
        up; None: never
    """

    def __init__(
        self, conf: cfg.ConfigOpts, timeout: int | None = None
    ) -> None:
        self._conf = conf
        self._timeout = timeout
        # Each is made at first use, so that the start needs no database.
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
        """A connection for single statements: each is sent as it stands.

        :raises oslo_db.exception.DBError: whatever the database says
        """
        with _translated(), self.reader.connect() as connection:
            yield connection

    @_repeated
    def read(
        self,
        query: sa.Select[Any],
        parameters: Mapping[str, Any] | None = None,
    ) -> Sequence[sa.RowMapping]:
        """The rows that one SELECT finds.

        :raises oslo_db.exception.DBError: whatever the database says
        """
        try:
            with self.reader.connect() as connection:
                return connection.execute(query, parameters).mappings().all()
        except _UNTRANSLATED as error:
            raise db_exception.DBError(error) from error

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A connection in a transaction: all that is written, or nothing.

        :raises oslo_db.exception.DBError: whatever the database says
        """
        with _translated(), self.engine.begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close all connections that nobody uses."""
        for engine in self._engines.values():
            engine.dispose()

    def _engine(self, reading: bool) -> sa.Engine:
        if reading not in self._engines:
            with self._lock:
                if reading not in self._engines:
                    self._engines[reading] = self._make(reading)
        return self._engines[reading]

    def _make(self, reading: bool) -> sa.Engine:
        """An engine as [database] says."""
        options = dict(self._conf.database)
        url = sa.make_url(options['connection'])
        if self._timeout is not None:
            url = _with_timeout(url, self._timeout)
        if reading:
            url = url.update_query_pairs([('plugin', _PLUGIN)], append=True)
        options['connection'] = url.render_as_string(hide_password=False)
        facade = enginefacade.transaction_context()
        # Threads don't have to be told to let others run.
        facade.configure(**options, thread_checkin=False)
        facade.append_on_engine_create(_prepare)
        engine: sa.Engine = facade.writer.get_engine()
        if engine.dialect.name == 'sqlite' and not reading:
            sa.event.listen(
                engine, 'before_cursor_execute', _begin_writing, retval=True
            )
        return engine


def _with_timeout(url: sa.URL, seconds: int) -> sa.URL:
    """A URL whose connections don't wait for ever.

    What it says itself of a time-out holds. Other drivers than these are left
    alone; SQLite waits for its lock only, and not for ever.
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
            # Milliseconds; the server's own, and the kernel's for a server
            # that is gone.
            'options': f'-c statement_timeout={seconds * 1000}',
            'tcp_user_timeout': f'{seconds * 1000}',
        },
    }.get(url.get_backend_name(), {})
    return url.update_query_dict({**timeouts, **url.query})


class ReadingPlugin(sa.CreateEnginePlugin):
    """Makes of an engine one for reading: a SELECT is one round trip.

    Else there would be five more: a ping, autocommit on, twice ROLLBACK,
    autocommit off.
    """

    def __init__(self, url: sa.URL, kwargs: dict[str, Any]) -> None:
        super().__init__(url, kwargs)
        kwargs['isolation_level'] = 'AUTOCOMMIT'
        kwargs['skip_autocommit_rollback'] = True
        # A connection that has died is found out by the query itself.
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
    """What an engine needs before its first connection."""
    if engine.dialect.name == 'sqlite':
        sa.event.listen(engine, 'connect', _prepare_sqlite)
    if engine.dialect.name == 'mysql':
        # Before oslo.db's listener, which raises.
        sa.event.listen(engine, 'handle_error', _leave_node, insert=True)


def _leave_node(context: sa.engine.ExceptionContext) -> None:
    # A Galera node without quorum, or one that has just joined, refuses every
    # statement (ER_UNKNOWN_COM_ERROR) on a connection that stays open. A new
    # one may lead to another node.
    arguments = getattr(context.original_exception, 'args', ())
    if arguments[:1] == (1047,):
        context.is_disconnect = True


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
    if statement == 'BEGIN':
        statement = 'BEGIN IMMEDIATE'
    return statement, parameters
