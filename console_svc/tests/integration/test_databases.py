# SPDX-License-Identifier: Apache-2.0

"""All migrations and queries on MariaDB and PostgreSQL.

The functional tests run them on SQLite.
"""

from typing import Any

import fixtures
import sqlalchemy as sa
import testtools
from oslo_db import exception as db_exception

from console_svc.db import migration
from console_svc.tests.functional.db import (
    test_database,
    test_log_ins,
    test_migrations,
    test_native_consoles,
    test_plans,
    test_sessions,
    test_tokens,
)
from console_svc.tests.integration.databases import OnMariaDB, OnPostgreSQL
from console_svc.tests.integration.mariadb import MariaDB
from console_svc.tests.programs import process


class MariaDBMigrations(
    OnMariaDB, test_migrations.Migrations, testtools.TestCase
):
    def test_a_lock_that_is_held_is_an_error(self) -> None:
        # As a migration that does not end.
        with self.database.reading() as connection:
            connection.execute(sa.select(sa.func.get_lock(migration.NAME, 0)))
            error = self.assertRaises(
                db_exception.DBError, migration.sync, self.database, 'head', 1
            )
            self.assertIn('Another migration', str(error))
            connection.execute(sa.select(sa.func.release_lock(migration.NAME)))
        migration.sync(self.database)
        self.assertEqual([], self.difference())

    def test_a_lost_connection_is_an_error_of_the_database(self) -> None:
        def upgrade(config: Any, version: str) -> None:
            connection = config.attributes['connection']
            number = connection.scalar(sa.select(sa.func.connection_id()))
            process.shared(MariaDB).execute(f'KILL {number}')
            connection.execute(sa.text('SELECT 1'))

        self.useFixture(fixtures.MockPatch('alembic.command.upgrade', upgrade))
        self.assertRaises(
            db_exception.DBConnectionError, migration.sync, self.database
        )


class MariaDBDatabase(OnMariaDB, test_database.Database, testtools.TestCase):
    pass


class MariaDBTokens(OnMariaDB, test_tokens.Tokens, testtools.TestCase):
    pass


class MariaDBSessions(OnMariaDB, test_sessions.Sessions, testtools.TestCase):
    pass


class MariaDBByName(OnMariaDB, test_log_ins.LogIns, testtools.TestCase):
    """With ``mariadb`` in the URL, which SQLAlchemy also knows."""

    def url(self) -> str:
        return super().url().replace('mysql+', 'mariadb+')


class MariaDBNativeConsoles(
    OnMariaDB, test_native_consoles.NativeConsoles, testtools.TestCase
):
    pass


class MariaDBLogIns(OnMariaDB, test_log_ins.LogIns, testtools.TestCase):
    pass


class MariaDBPlans(OnMariaDB, test_plans.Plans, testtools.TestCase):
    ANALYZE = 'ANALYZE TABLE'

    def uses(self, plan: str, index: str) -> bool:
        if index.startswith('pk'):
            index = 'PRIMARY'
        # type, possible_keys, key
        return f"'{index}'" in plan.partition(', ')[2].split("'ALL'")[0]


class PostgreSQLMigrations(
    OnPostgreSQL, test_migrations.Migrations, testtools.TestCase
):
    def test_a_lock_that_is_held_is_an_error(self) -> None:
        # As one that another version has left on a pooler's connection.
        with self.database.reading() as connection:
            connection.execute(
                sa.select(sa.func.pg_advisory_lock(migration.LOCK))
            )
            error = self.assertRaises(
                db_exception.DBError, migration.sync, self.database, 'head', 1
            )
            self.assertIn('Another migration', str(error))
            connection.execute(
                sa.select(sa.func.pg_advisory_unlock(migration.LOCK))
            )
        migration.sync(self.database)
        self.assertEqual([], self.difference())


class PostgreSQLDatabase(
    OnPostgreSQL, test_database.Database, testtools.TestCase
):
    pass


class PostgreSQLTokens(OnPostgreSQL, test_tokens.Tokens, testtools.TestCase):
    pass


class PostgreSQLSessions(
    OnPostgreSQL, test_sessions.Sessions, testtools.TestCase
):
    pass


class PostgreSQLNativeConsoles(
    OnPostgreSQL, test_native_consoles.NativeConsoles, testtools.TestCase
):
    pass


class PostgreSQLLogIns(OnPostgreSQL, test_log_ins.LogIns, testtools.TestCase):
    pass


class PostgreSQLPlans(OnPostgreSQL, test_plans.Plans, testtools.TestCase):
    def uses(self, plan: str, index: str) -> bool:
        return f' {index} ' in plan and 'Seq Scan' not in plan
