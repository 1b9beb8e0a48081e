# SPDX-License-Identifier: Apache-2.0

"""Time-outs of connections, as each driver takes them."""

import select
import time
from collections.abc import Generator
from typing import Any, Final

import sqlalchemy as sa

#: The drivers that have time-outs, or get them here. SQLite's has one for its
#: lock.
DRIVERS: Final = frozenset(
    {'mysqldb', 'psycopg', 'psycopg2', 'pymysql', 'pysqlite'}
)


def with_timeouts(url: sa.URL, seconds: int) -> sa.URL:
    """Add time-outs to a URL, unless it has its own.

    None of them is a start-up parameter of PostgreSQL: PgBouncer refuses
    these. Other dialects are left alone; SQLite waits only for its lock, and
    not for ever.
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
            # Milliseconds in which the peer's kernel must acknowledge data.
            'tcp_user_timeout': f'{seconds * 1000}',
        },
    }.get(url.get_backend_name(), {})
    return url.update_query_dict({**timeouts, **url.query})


def limit_waits(engine: sa.Engine, seconds: int) -> None:
    """Limit the waits of PostgreSQL's drivers, which wait for ever.

    libpq has a time-out for the connection only. A ``statement_timeout`` of
    the server does not help against a server that has stopped.
    """
    limit = {'psycopg': _limit_psycopg, 'psycopg2': _limit_psycopg2}.get(
        engine.driver
    )
    if limit is not None:
        limit(engine, seconds)


def _limit_psycopg(engine: sa.Engine, seconds: int) -> None:
    driver: Any = engine.dialect.loaded_dbapi

    # Without the annotation of its base, which is known at run time only.
    class Connection(driver.Connection):  # type: ignore[misc]
        def wait(
            self, steps: Generator[Any, Any, Any], *args: Any, **kwargs: Any
        ) -> Any:
            """Complete an operation: all methods of the driver wait here."""
            return super().wait(self._limited(steps), *args, **kwargs)

        def _limited(
            self, steps: Generator[Any, Any, Any]
        ) -> Generator[Any, Any, Any]:
            try:
                wanted = next(steps)
                while True:
                    deadline = time.monotonic() + seconds
                    # While the socket is not ready, psycopg sends zero every
                    # tenth of a second.
                    while not (ready := (yield wanted)):
                        if time.monotonic() > deadline:
                            self.close()
                            raise _no_answer(driver, seconds)
                    wanted = steps.send(ready)
            except StopIteration as end:
                return end.value

    def connect(
        dialect: Any, record: Any, args: Any, parameters: Any
    ) -> object:
        return Connection.connect(*args, **parameters)

    sa.event.listen(engine, 'do_connect', connect)


def _limit_psycopg2(engine: sa.Engine, seconds: int) -> None:
    driver: Any = engine.dialect.loaded_dbapi

    # Without the annotation of its base, which is known at run time only.
    class Connection(driver.extensions.connection):  # type: ignore[misc]
        seconds_to_wait = seconds

    def use(dialect: Any, record: Any, args: Any, parameters: Any) -> None:
        parameters['connection_factory'] = Connection

    def wait(connection: Any) -> None:
        """Wait for the server: psycopg2's wait callback."""
        limit = getattr(connection, 'seconds_to_wait', None)
        while (state := connection.poll()) != driver.extensions.POLL_OK:
            poll = select.poll()
            poll.register(
                connection.fileno(),
                select.POLLIN
                if state == driver.extensions.POLL_READ
                else select.POLLOUT,
            )
            if not poll.poll(limit and limit * 1000):
                # psycopg2 closes the connection.
                raise _no_answer(driver, limit)

    sa.event.listen(engine, 'do_connect', use)
    # For all connections of the process: of others the limit is None.
    driver.extensions.set_wait_callback(wait)


def _no_answer(driver: Any, seconds: int | None) -> Exception:
    # The text is one by which SQLAlchemy recognizes that psycopg2 has closed
    # the connection.
    error: Exception = driver.OperationalError(
        f'could not receive data from server: no answer in {seconds} seconds'
    )
    return error
