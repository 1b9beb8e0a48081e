# SPDX-License-Identifier: Apache-2.0

import alembic.autogenerate
import alembic.migration
import alembic.util
import sqlalchemy as sa
import testtools

from console_svc.db import migration, tables
from console_svc.tests import fixtures


class MigrationTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.database = self.useFixture(fixtures.Configuration()).database

    def test_migrations_lead_to_the_tables(self) -> None:
        with self.database.engine.connect() as connection:
            context = alembic.migration.MigrationContext.configure(
                connection, opts={'compare_type': True}
            )
            difference = alembic.autogenerate.compare_metadata(
                context, tables.metadata
            )
        self.assertEqual([], difference)

    def test_sync_again_changes_nothing(self) -> None:
        before = self._schema()
        migration.sync(self.database)
        self.assertEqual(before, self._schema())
        self.assertEqual(migration.head(), migration.version(self.database))

    def test_an_unknown_version_is_an_error(self) -> None:
        self.assertRaises(
            alembic.util.CommandError, migration.sync, self.database, '999'
        )

    def test_sqlite_is_in_wal_mode(self) -> None:
        with self.database.engine.connect() as connection:
            mode = connection.execute(sa.text('PRAGMA journal_mode')).scalar()
        self.assertEqual('wal', mode)

    def test_a_look_up_uses_the_unique_index(self) -> None:
        with self.database.engine.connect() as connection:
            plan = connection.execute(
                sa.text(
                    'EXPLAIN QUERY PLAN SELECT * FROM console_auth_tokens '
                    "WHERE token_hash = 'x' AND expires > 1"
                )
            ).all()
        self.assertIn('token_hash=?', str(plan))

    def _schema(self) -> list:
        with self.database.engine.connect() as connection:
            return connection.execute(
                sa.text('SELECT sql FROM sqlite_master ORDER BY name')
            ).all()
