# SPDX-License-Identifier: Apache-2.0

"""Schema migrations, with alembic."""

import pathlib
from collections.abc import Iterator
from contextlib import contextmanager

import alembic.command
import alembic.config
import alembic.migration
import alembic.script
import sqlalchemy as sa
from oslo_db import exception as db_exception

from console_svc.db import errors
from console_svc.db.database import Database

#: The number of the advisory lock; other programs must not use it.
LOCK = 7_402_611

# Seconds to wait for a concurrent migration, and for each lock of a table.
_LOCK_TIMEOUT = 600

#: The name of the lock on MySQL.
NAME = f'console-svc-{LOCK}'

# The SQLSTATE of PostgreSQL.
_LOCK_NOT_AVAILABLE = '55P03'


def sync(
    database: Database,
    version: str = 'head',
    lock_timeout: int = _LOCK_TIMEOUT,
) -> None:
    """Migrate the schema to a version; a current schema is not changed.

    :param version: an alembic revision
    :param lock_timeout: seconds to wait for a concurrent migration
    :raises alembic.util.CommandError: there is no such revision
    :raises oslo_db.exception.DBError: any error of the database, or a
        concurrent migration that does not end
    """
    config = _config()
    with _locked(database, lock_timeout) as connection:
        config.attributes['connection'] = connection
        alembic.command.upgrade(config, version)


@contextmanager
def _locked(database: Database, timeout: int) -> Iterator[sa.Connection]:
    """A transaction that excludes concurrent migrations.

    Hosts that start together migrate one after the other. SQLite needs no
    lock: there the transaction takes the write lock when it starts.
    """
    if database.engine.dialect.name == 'mysql':
        with _locked_session(database, timeout) as connection:
            yield connection
    else:
        with database.writing() as connection:
            if connection.dialect.name == 'postgresql':
                _lock_transaction(connection, timeout)
            yield connection


def _lock_transaction(connection: sa.Connection, timeout: int) -> None:
    """Take the lock on PostgreSQL until the transaction ends.

    A lock of the session would outlive it behind PgBouncer: the session is
    the pooler's.
    """
    # A migration may take longer than a time-out that the role has.
    for name, seconds in (('statement_timeout', 0), ('lock_timeout', timeout)):
        connection.execute(
            sa.select(sa.func.set_config(name, f'{seconds}s', True))
        )
    try:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
    except sa.exc.OperationalError as error:
        if error.orig is None or (
            errors.code_of(error.orig) != _LOCK_NOT_AVAILABLE
        ):
            raise
        raise _is_locked(timeout) from error


@contextmanager
def _locked_session(
    database: Database, timeout: int
) -> Iterator[sa.Connection]:
    """Take the lock on MySQL until the transaction is committed.

    There a lock always belongs to the session, and each change of the schema
    commits.
    """
    with database.connected() as connection:
        take = sa.select(sa.func.get_lock(NAME, timeout))
        if connection.execute(take).scalar() != 1:
            raise _is_locked(timeout)
        try:
            # Before this, the transaction reads nothing: it must see what a
            # concurrent migration has committed.
            yield connection
            connection.commit()
        finally:
            # A lost connection has lost the lock, too.
            if not connection.invalidated:
                connection.execute(sa.select(sa.func.release_lock(NAME)))


def _is_locked(timeout: int) -> db_exception.DBError:
    return db_exception.DBError(
        f'Another migration has not ended in {timeout} seconds, or has left '
        "its lock on a connection that is still open, a pooler's for example."
    )


def version(database: Database) -> str | None:
    """The current revision; None: the database is empty."""
    with database.reading() as connection:
        context = alembic.migration.MigrationContext.configure(connection)
        return context.get_current_revision()


def head() -> str:
    """The newest revision that this code knows."""
    script = alembic.script.ScriptDirectory.from_config(_config())
    revision = script.get_current_head()
    assert revision is not None  # noqa: S101 (the package has revisions)
    return revision


def is_old(found: str | None) -> bool:
    """Whether a schema is older than the newest that this code knows.

    Revisions are numbered. Code also runs on the schema of a newer version.

    :param found: a result of :func:`version`
    """
    return found is None or found < head()


def _config() -> alembic.config.Config:
    config = alembic.config.Config()
    folder = pathlib.Path(__file__).parent / 'alembic'
    config.set_main_option('script_location', str(folder))
    return config
