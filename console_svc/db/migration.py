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

from console_svc.db.api import Database

# Any number that no other program takes for its advisory lock.
_LOCK = 7_402_611

# Seconds that a migration of somebody else may take.
_PATIENCE = 3600


def sync(database: Database, version: str = 'head') -> None:
    """Bring the schema to a version; what is current stays as it is.

    :param version: a revision of alembic's; default: the newest
    :raises alembic.util.CommandError: there is no such revision
    """
    config = _config()
    with database.engine.begin() as connection, _alone(connection):
        config.attributes['connection'] = connection
        alembic.command.upgrade(config, version)


@contextmanager
def _alone(connection: sa.Connection) -> Iterator[None]:
    """Waits until nobody else migrates this database.

    Hosts that start together all call ``db sync``. SQLite needs no lock:
    there the transaction has begun as a writer's.
    """
    dialect = connection.dialect.name
    if dialect == 'postgresql':
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    if dialect == 'mysql':
        name = f'console-svc-{_LOCK}'
        connection.execute(sa.select(sa.func.get_lock(name, _PATIENCE)))
        try:
            yield
        finally:
            connection.execute(sa.select(sa.func.release_lock(name)))
        return
    yield


def version(database: Database) -> str | None:
    """The schema's revision; None: there is no schema."""
    with database.engine.connect() as connection:
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
