# SPDX-License-Identifier: Apache-2.0

"""The schema and its versions, through alembic."""

import pathlib
from collections.abc import Iterator
from contextlib import contextmanager

import alembic.command
import alembic.config
import alembic.migration
import alembic.script
import sqlalchemy as sa
from oslo_db import exception as db_exception

from console_svc.db.api import Database

# Any number that no other program takes for its advisory lock.
_LOCK = 7_402_611

# Seconds that a migration of somebody else may take.
_PATIENCE = 3600


def sync(database: Database, version: str = 'head') -> None:
    """Bring the schema to a version; what is current stays as it is.

    :param version: a revision of alembic's; default: the newest
    :raises alembic.util.CommandError: there is no such revision
    :raises oslo_db.exception.DBError: also where somebody else's migration
        does not end
    """
    config = _config()
    with _alone(database), database.writing() as connection:
        config.attributes['connection'] = connection
        alembic.command.upgrade(config, version)


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    """Waits until nobody else migrates this database.

    Hosts that start together all call ``db sync``. SQLite needs no lock:
    there the migration's transaction begins as a writer's.
    """
    locks = _LOCKS.get(database.engine.dialect.name)
    if locks is None:
        yield
        return
    take, release = locks
    # On a connection of its own: whoever is next must not begin before this
    # migration is committed, version and all.
    with database.reading() as connection:
        # MySQL says 1; PostgreSQL nothing, and waits for ever.
        if connection.execute(take).scalar() not in (1, ''):
            raise db_exception.DBError(
                f'Another migration has not ended within {_PATIENCE} seconds'
            )
        try:
            yield
        finally:
            connection.execute(release)


_NAME = f'console-svc-{_LOCK}'

# Engine -> how its lock is taken, and how it is given back.
_LOCKS = {
    'mysql': (
        sa.select(sa.func.get_lock(_NAME, _PATIENCE)),
        sa.select(sa.func.release_lock(_NAME)),
    ),
    'postgresql': (
        sa.select(sa.func.pg_advisory_lock(_LOCK)),
        sa.select(sa.func.pg_advisory_unlock(_LOCK)),
    ),
}


def version(database: Database) -> str | None:
    """The schema's revision; None: there is no schema."""
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
