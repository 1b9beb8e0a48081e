# SPDX-License-Identifier: Apache-2.0

"""Queries of the database itself."""

import sqlalchemy as sa
import testtools

import console_svc.db.database
from console_svc import conf as configuration
from console_svc.db import errors, migration, tables
from console_svc.tests.functional.db.base import (
    NOW,
    OnSQLite,
    Queries,
    token,
)


class Database(Queries):
    def execute(self, statement: str) -> None:
        with self.database.engine.begin() as connection:
            connection.execute(sa.text(statement))

    def test_check_fails_without_a_table(self) -> None:
        self.database.check()
        self.execute('DROP TABLE consoles')
        self.assertRaises(errors.SchemaMismatch, self.database.check)

    def test_check_fails_with_a_schema_that_is_too_old(self) -> None:
        self.execute("UPDATE alembic_version SET version_num = '006'")
        error = self.assertRaises(errors.SchemaMismatch, self.database.check)
        self.assertIn('The schema is 006', str(error))
        self.execute(
            f"UPDATE alembic_version SET version_num = '{tables.NEEDED}'"
        )
        self.database.check()

    def test_check_accepts_the_schema_of_a_newer_version(self) -> None:
        self.execute("UPDATE alembic_version SET version_num = '999'")
        self.database.check()

    def test_check_fails_without_a_schema(self) -> None:
        self.execute('DELETE FROM alembic_version')
        self.assertRaises(errors.SchemaMismatch, self.database.check)
        self.execute('DROP TABLE alembic_version')
        self.assertRaises(errors.SchemaMismatch, self.database.check)

    def test_check_reads_the_revision_until_it_is_good(self) -> None:
        statements = []

        def record(*arguments: object) -> None:
            statements.append(arguments[2])

        sa.event.listen(self.database.reader, 'before_cursor_execute', record)
        for _ in range(3):
            self.database.check()
        read = [each for each in statements if 'alembic_version' in each]
        self.assertEqual(1, len(read))

    def test_a_missing_column_is_a_mismatch(self) -> None:
        conf = configuration.load(files=[str(self.empty())])
        database = console_svc.db.database.Database(conf)
        self.addCleanup(database.dispose)
        migration.sync(database, '001')
        self.assertRaises(
            errors.SchemaMismatch, database.tokens.create, token('hash'), NOW
        )

    def test_a_lease_is_taken_when_the_last_one_has_expired(self) -> None:
        take = self.database.take_lease
        self.assertTrue(take('purge', NOW, NOW + 60))
        self.assertFalse(take('purge', NOW, NOW + 60))
        self.assertFalse(take('purge', NOW + 59, NOW + 119))
        self.assertTrue(take('purge', NOW + 60, NOW + 120))
        self.assertFalse(take('unknown', NOW, NOW + 60))


class SQLiteDatabase(OnSQLite, Database, testtools.TestCase):
    pass
