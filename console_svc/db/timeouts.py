# SPDX-License-Identifier: Apache-2.0

"""Time-outs of connections, as each driver takes them."""

import select
from typing import Any

import sqlalchemy as sa


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
    """Limit the waits of psycopg2: the driver waits for ever.

    libpq has a time-out for the connection only. A ``statement_timeout`` of
    the server does not help against a server that has stopped.
    """
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
                # psycopg2 closes the connection. The text is one by which
                # SQLAlchemy recognizes that.
                raise driver.OperationalError(
                    'could not receive data from server: no answer in '
                    f'{limit} seconds'
                )

    sa.event.listen(engine, 'do_connect', use)
    # For all connections of the process: of others the limit is None.
    driver.extensions.set_wait_callback(wait)
