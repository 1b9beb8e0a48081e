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

from console_svc.db.database import Database

# The number of the advisory lock; other programs must not use it.
_LOCK = 7_402_611

# Seconds to wait for a concurrent migration.
_LOCK_TIMEOUT = 3600

_NAME = f'console-svc-{_LOCK}'

# Dialect -> the statements that take and release the lock.
_LOCKS = {
    'mysql': (
        sa.select(sa.func.get_lock(_NAME, _LOCK_TIMEOUT)),
        sa.select(sa.func.release_lock(_NAME)),
    ),
    'postgresql': (
        sa.select(sa.func.pg_advisory_lock(_LOCK)),
        sa.select(sa.func.pg_advisory_unlock(_LOCK)),
    ),
}


def sync(database: Database, version: str = 'head') -> None:
    """Migrate the schema to a version; a current schema is not changed.

    :param version: an alembic revision
    :raises alembic.util.CommandError: there is no such revision
    :raises oslo_db.exception.DBError: any error of the database, or a
        concurrent migration that does not end
    """
    config = _config()
    with _locked(database), database.writing() as connection:
        config.attributes['connection'] = connection
        alembic.command.upgrade(config, version)


@contextmanager
def _locked(database: Database) -> Iterator[None]:
    """Exclude concurrent migrations, for example of hosts that start together.

    SQLite needs no lock: there the migration's transaction takes the write
    lock when it starts.
    """
    locks = _LOCKS.get(database.engine.dialect.name)
    if locks is None:
        yield
        return
    take, release = locks
    # On a connection of its own: the next migration must not start before
    # this one is committed.
    with database.reading() as connection:
        # MySQL returns 1; PostgreSQL an empty string, after any wait.
        if connection.execute(take).scalar() not in (1, ''):
            raise db_exception.DBError(
                f'Another migration has not ended in {_LOCK_TIMEOUT} seconds.'
            )
        try:
            yield
        finally:
            connection.execute(release)


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


def _config() -> alembic.config.Config:
    config = alembic.config.Config()
    folder = pathlib.Path(__file__).parent / 'alembic'
    config.set_main_option('script_location', str(folder))
    return config
