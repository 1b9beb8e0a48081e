# SPDX-License-Identifier: Apache-2.0

"""The schema and its versions, through alembic."""

import pathlib

import alembic.command
import alembic.config
import alembic.migration
import alembic.script

from console_svc.db.api import Database


def sync(database: Database, version: str = 'head') -> None:
    """Bring the schema to a version; what is current stays as it is.

    :param version: a revision of alembic's; default: the newest
    :raises alembic.util.CommandError: there is no such revision
    """
    config = _config()
    with database.engine.begin() as connection:
        config.attributes['connection'] = connection
        alembic.command.upgrade(config, version)


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
