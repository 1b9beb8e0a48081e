# SPDX-License-Identifier: Apache-2.0

"""What depends on the driver, on those that the other tests do not use.

``test_hung_database`` has their time-outs and lost connections.
"""

import threading
from concurrent import futures
from typing import Any, ClassVar

import sqlalchemy as sa
import testtools
from oslo_db import exception as db_exception

from console_svc import conf as configuration
from console_svc.db import errors, migration
from console_svc.db.database import Database
from console_svc.db.engine import retried
from console_svc.db.tables import leases
from console_svc.tests.functional.db.base import NOW, OnDatabase, token
from console_svc.tests.integration.databases import OnMySQLdb, OnPsycopg
from console_svc.tests.programs import process


class Driver(OnDatabase):
    #: Takes the lock of migrations.
    LOCK: ClassVar[sa.Select[Any]]
    #: Makes the server refuse writes of the session.
    READ_ONLY: ClassVar[str]

    def setUp(self) -> None:
        super().setUp()
        conf = configuration.load()
        conf.set_override('connection', self.url(), 'database')
        self.database = Database(conf, process.PATIENCE)
        self.addCleanup(self.database.dispose)

    def test_writes_leave_a_read_only_server(self) -> None:
        migration.sync(self.database)
        self.database.dispose()
        connections = []

        def connected(connection: Any, record: object) -> None:
            if not connections:
                connection.cursor().execute(self.READ_ONLY)
                connection.commit()
            connections.append(connection)

        sa.event.listen(self.database.engine, 'connect', connected)
        self.database.tokens.create(token('a'), NOW)
        self.assertEqual(2, len(connections))
        self.database.check()

    def test_a_missing_schema_is_recognized(self) -> None:
        self.assertRaises(
            errors.SchemaMismatch, self.database.tokens.get, 'a', NOW
        )
        self.assertRaises(errors.SchemaMismatch, self.database.check)

    def test_a_lock_that_is_held_is_an_error(self) -> None:
        with self.database.reading() as connection:
            connection.execute(self.LOCK)
            error = self.assertRaises(
                db_exception.DBError, migration.sync, self.database, 'head', 1
            )
        self.assertIn('Another migration', str(error))

    def test_transactions_that_deadlock_are_repeated(self) -> None:
        migration.sync(self.database)
        with self.database.writing() as connection:
            for name in ('a', 'b'):
                connection.execute(
                    leases.insert().values(name=name, expires=0)
                )
        both = threading.Barrier(2, timeout=process.PATIENCE)
        attempts: list[str] = []

        @retried
        def write(*names: str) -> None:
            is_first = names[0] not in attempts
            attempts.append(names[0])
            with self.database.writing() as connection:
                for name in names:
                    connection.execute(
                        leases.update()
                        .where(leases.c.name == name)
                        .values(expires=leases.c.expires + 1)
                    )
                    if is_first and name == names[0]:
                        both.wait()

        with futures.ThreadPoolExecutor() as pool:
            for it in [
                pool.submit(write, 'a', 'b'),
                pool.submit(write, 'b', 'a'),
            ]:
                it.result()
        self.assertEqual(3, len(attempts))
        with self.database.reading() as connection:
            found = connection.execute(
                sa.select(leases.c.expires).where(
                    leases.c.name.in_(['a', 'b'])
                )
            )
            self.assertEqual([2, 2], found.scalars().all())


class MySQLdbTest(OnMySQLdb, Driver, testtools.TestCase):
    LOCK = sa.select(sa.func.get_lock(migration.NAME, 0))
    READ_ONLY = 'SET SESSION TRANSACTION READ ONLY'


class PsycopgTest(OnPsycopg, Driver, testtools.TestCase):
    LOCK = sa.select(sa.func.pg_advisory_lock(migration.LOCK))
    READ_ONLY = 'SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY'
