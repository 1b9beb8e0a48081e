# SPDX-License-Identifier: Apache-2.0

"""Engines and connections of the database, set up by oslo.db."""

import functools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from oslo_config import cfg
from oslo_db import api as oslo_db_api
from oslo_db import exception as db_exception
from oslo_db.sqlalchemy import enginefacade

from console_svc.db import errors, plugins, sqlite, timeouts, urls
from console_svc.db.ready import ReadyConnections

#: The execution option of engines: whether their transactions write a history
#: of sessions.
HISTORY: Final = 'console_svc_history'

# Errors that oslo.db does not translate: a full disk or a missing table on
# some engines, and an exhausted connection pool.
_UNTRANSLATED = sa.exc.DBAPIError, sa.exc.TimeoutError

# Dialect -> whether the server refuses writes.
_READ_ONLY: Final[dict[str, sa.Select[Any]]] = {
    'mysql': sa.select(sa.literal_column('@@global.read_only')),
    'postgresql': sa.select(sa.func.current_setting('transaction_read_only')),
}

_WRITABLE: Final = frozenset({0, '0', 'off', 'OFF'})

# Seconds until a read that finds nothing asks again whether the server is
# read-only.
_PATIENCE: Final = 1

# The part of the time-out within which a lost connection is noticed at once.
_PROMPT: Final = 0.1

_Function = TypeVar('_Function', bound=Callable[..., Any])


def retried(function: _Function) -> _Function:
    """Repeat a write that was not committed.

    It has lost a deadlock or a Galera certification, or its connection.
    """

    @functools.wraps(function)
    def repeated(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except errors.Uncommitted:
            return function(*args, **kwargs)

    decorated: _Function = oslo_db_api.wrap_db_retry(
        max_retries=5,
        retry_interval=0.05,
        inc_retry_interval=True,
        max_retry_interval=1,
        retry_on_deadlock=True,
    )(repeated)
    return decorated


class Connections:
    """The connections on which queries run.

    :param conf: [database] names the database
    :param timeout: seconds until a database that does not answer is an
        error; None: no limit
    :raises oslo_config.cfg.Error: [database] connection is not a URL, or
        names a driver that is not supported
    """

    def __init__(
        self, conf: cfg.ConfigOpts, timeout: int | None = None
    ) -> None:
        self._conf = conf
        self._url = urls.parse(conf.database.connection)
        self._timeout = timeout
        # Made at first use, so that the start needs no database.
        self._lock = threading.Lock()
        self._engines: dict[bool, sa.Engine] = {}
        recycle = conf.database.connection_recycle_time
        self._readers = ReadyConnections(lambda: self.reader, recycle)
        self._writers = ReadyConnections(lambda: self.engine, recycle)
        self._next_question = 0.0

    @functools.cached_property
    def engine(self) -> sa.Engine:
        """The engine that writes."""
        return self._engine(reading=False)

    @functools.cached_property
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

    def read(
        self,
        query: sa.Select[Any],
        parameters: Mapping[str, Any] | None = None,
    ) -> Sequence[sa.RowMapping]:
        """The rows that one SELECT finds.

        It is repeated once if its connection was lost.

        :raises oslo_db.exception.DBError: any error of the database
        """
        started = time.monotonic()
        try:
            return self._read(query, parameters)
        except (db_exception.DBConnectionError, db_exception.DBDeadlock):
            if not self._has_time(started):
                raise
        return self._read(query, parameters)

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A connection in a transaction, which an exception rolls back.

        :raises console_svc.db.errors.Uncommitted: the transaction can be
            repeated
        :raises oslo_db.exception.DBError: any other error of the database
        """
        started = time.monotonic()
        is_committing = False
        try:
            with (
                _translated(),
                self._writers.connection() as connection,
                connection.begin(),
            ):
                yield connection
                is_committing = True
        except errors.ReadOnly as error:
            # The readers' connections may lead to the same server, which has
            # become a replica, or is out of date.
            self.dispose()
            raise errors.Uncommitted(error) from error
        except db_exception.DBConnectionError as error:
            # After a connection that is lost at COMMIT, it is unknown whether
            # the write took effect.
            if is_committing or not self._has_time(started):
                raise
            raise errors.Uncommitted(error) from error

    @contextmanager
    def connected(self) -> Iterator[sa.Connection]:
        """A connection for several transactions, which the caller commits.

        :raises oslo_db.exception.DBError: any error of the database
        """
        with _translated(), self.engine.connect() as connection:
            yield connection

    def is_read_only(self) -> bool:
        """Whether the server refuses writes, as a replica does."""
        query = _READ_ONLY.get(self.reader.dialect.name)
        if query is None:
            return False
        (row,) = self.read(query)
        return next(iter(row.values())) not in _WRITABLE

    def has_moved(self) -> bool:
        """Whether what was not found may be on another server.

        If the server is read-only, all connections are closed: it may have
        been the primary, and new connections may lead to the new one. It is
        asked once a second at most.
        """
        now = time.monotonic()
        if now < self._next_question:
            return False
        self._next_question = now + _PATIENCE
        is_read_only = self.is_read_only()
        if is_read_only:
            self.dispose()
        return is_read_only

    def dispose(self) -> None:
        """Close all idle connections."""
        # A copy: another thread may make the other engine meanwhile.
        for engine in [*self._engines.values()]:
            engine.dispose()
        self._readers.close()
        self._writers.close()

    def _read(
        self, query: sa.Select[Any], parameters: Mapping[str, Any] | None
    ) -> Sequence[sa.RowMapping]:
        try:
            with self._readers.connection() as connection:
                found = connection.execute(query, parameters)
                return found.mappings().all()
        except _UNTRANSLATED as error:
            raise db_exception.DBError(error) from error

    def _has_time(self, started: float) -> bool:
        """Whether what has failed can be repeated within the time-out.

        It can if the connection was lost long ago. A server that has not
        answered would take the whole time-out once more.
        """
        if self._timeout is None:
            return True
        return time.monotonic() - started < self._timeout * _PROMPT

    def _engine(self, reading: bool) -> sa.Engine:
        if reading not in self._engines:
            with self._lock:
                if reading not in self._engines:
                    self._engines[reading] = self._make(reading)
        return self._engines[reading]

    def _make(self, reading: bool) -> sa.Engine:
        """Make an engine as [database] configures it."""
        options = dict(self._conf.database)
        url = self._url
        if self._timeout is not None:
            url = timeouts.with_timeouts(url, self._timeout)
            if url.get_backend_name() != 'sqlite':
                # SQLAlchemy's own is 30 seconds.
                options['pool_timeout'] = (
                    options['pool_timeout'] or self._timeout
                )
        url = url.update_query_pairs(
            [('plugin', plugins.READING if reading else plugins.WRITING)],
            append=True,
        )
        options['connection'] = url.render_as_string(hide_password=False)
        facade = enginefacade.transaction_context()
        # thread_checkin yields to other green threads, and there are none.
        facade.configure(**options, thread_checkin=False)
        facade.append_on_engine_create(self._prepare)
        engine: sa.Engine = facade.writer.get_engine()
        engine.update_execution_options(
            **{HISTORY: bool(self._conf.consoleauth.history_days)}
        )
        if engine.dialect.name == 'sqlite' and not reading:
            sa.event.listen(
                engine,
                'before_cursor_execute',
                sqlite.begin_writing,
                retval=True,
            )
        return engine

    def _prepare(self, engine: sa.Engine) -> None:
        """Add event listeners before the engine's first connection."""
        if engine.dialect.name == 'sqlite':
            sa.event.listen(engine, 'connect', sqlite.prepare)
        if self._timeout is not None:
            timeouts.limit_waits(engine, self._timeout)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _UNTRANSLATED as error:
        raise db_exception.DBError(error) from error
