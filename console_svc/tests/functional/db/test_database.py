# SPDX-License-Identifier: Apache-2.0

"""Queries of the database itself."""

import sqlalchemy as sa
import testtools
from oslo_db import exception as db_exception

from console_svc.tests.functional.db.base import NOW, OnSQLite, Queries


class Database(Queries):
    def test_ping_fails_without_a_table(self) -> None:
        self.database.ping()
        with self.database.engine.begin() as connection:
            connection.execute(sa.text('DROP TABLE consoles'))
        self.assertRaises(db_exception.DBError, self.database.ping)

    def test_a_lease_is_taken_when_the_last_one_has_expired(self) -> None:
        take = self.database.take_lease
        self.assertTrue(take('purge', NOW, NOW + 60))
        self.assertFalse(take('purge', NOW, NOW + 60))
        self.assertFalse(take('purge', NOW + 59, NOW + 119))
        self.assertTrue(take('purge', NOW + 60, NOW + 120))
        self.assertFalse(take('unknown', NOW, NOW + 60))


class SQLiteDatabase(OnSQLite, Database, testtools.TestCase):
    pass
