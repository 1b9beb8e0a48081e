# SPDX-License-Identifier: Apache-2.0

"""A database that does not answer costs one time-out, retries included.

A second attempt would show as a second connection: the driver closes the one
that has timed out.
"""

import fixtures as fixtures_
import sqlalchemy as sa
import testtools
from oslo_db import exception as db_exception

from console_svc import conf as configuration
from console_svc.db import errors, migration
from console_svc.db.database import Database
from console_svc.tests.functional.db.base import NOW, OnDatabase, token
from console_svc.tests.integration.databases import (
    OnMariaDB,
    OnMySQLdb,
    OnPostgreSQL,
    OnPsycopg,
)
from console_svc.tests.integration.mariadb import MariaDB
from console_svc.tests.integration.postgresql import PostgreSQL
from console_svc.tests.integration.relay import Relay
from console_svc.tests.programs import process


class HungDatabase(OnDatabase):
    SERVER: type[MariaDB | PostgreSQL]

    def setUp(self) -> None:
        super().setUp()
        self.server = process.shared(self.SERVER)
        self.relay = self.useFixture(Relay(self.server.port))
        url = self.url().replace(str(self.server.port), str(self.relay.port))
        self.conf = configuration.load()
        self.conf.set_override('connection', url, 'database')
        configured = Database(self.conf)
        migration.sync(configured)
        configured.dispose()
        self.log = self.useFixture(fixtures_.FakeLogger())
        # Long enough for what is repeated.
        self.use(process.PATIENCE)

    def use(self, timeout: int) -> None:
        """Use the database with a time-out."""
        self.database = Database(self.conf, timeout)
        self.addCleanup(self.database.dispose)

    def look_up(self) -> None:
        self.database.tokens.get('hash', NOW)

    def create(self, token_hash: str = 'first') -> None:
        self.database.tokens.create(token(token_hash), NOW)

    def check_hanging(self, connections: int) -> None:
        """Check that operations fail without more connections than these."""
        for operation in (self.look_up, self.create, self.database.check):
            before = self.relay.accepted
            with self.relay.hanging():
                error = self.assertRaises(db_exception.DBError, operation)
            self.assertNotIn('\n', errors.describe(error))
            self.assertEqual(connections, self.relay.accepted - before)
            if not connections:
                # Replace the connection that has timed out.
                self.look_up()
                self.create(operation.__name__)

    def test_idle_connections_time_out_once(self) -> None:
        self.use(2)
        self.look_up()
        self.create()
        self.check_hanging(0)

    def test_new_connections_time_out_once(self) -> None:
        self.use(2)
        self.check_hanging(1)

    def test_lost_connections_are_replaced(self) -> None:
        self.look_up()
        self.create()
        for attempt in range(3):
            self.kill()
            self.look_up()
            self.create(f'{attempt}')
        self.assertEqual([], self.log.output.splitlines())

    def test_all_lost_connections_of_readers_are_replaced(self) -> None:
        def read(*arguments: object) -> None:
            self.look_up()

        # A read during another one has its own connection.
        sa.event.listen(
            self.database.reader, 'before_cursor_execute', read, once=True
        )
        self.look_up()
        self.assertEqual(2, self.database.reader.pool.checkedout())
        self.kill()
        self.look_up()
        self.assertEqual([], self.log.output.splitlines())

    def test_all_lost_connections_of_writers_are_replaced(self) -> None:
        def write(*arguments: object) -> None:
            self.create('second')

        # A write during another one has its own connection.
        sa.event.listen(
            self.database.engine, 'before_cursor_execute', write, once=True
        )
        self.create()
        self.assertEqual(2, self.database.engine.pool.checkedout())
        self.kill()
        self.create('third')
        self.assertEqual([], self.log.output.splitlines())

    def test_a_connection_lost_in_a_transaction_is_replaced(self) -> None:
        self.create()
        killed = []

        def kill(connection: sa.Connection, *_: object) -> None:
            if not killed:
                killed.append(self.kill())

        # Between the statements of the first attempt.
        sa.event.listen(self.database.engine, 'before_cursor_execute', kill)
        self.database.tokens.create(token('other'), NOW, 5)
        self.assertEqual(1, len(killed))
        self.assertIsNotNone(self.database.tokens.get('other', NOW))

    def test_a_connection_lost_at_the_commit_is_an_error(self) -> None:
        self.create()

        def kill(connection: sa.Connection) -> None:
            self.kill()

        sa.event.listen(self.database.engine, 'commit', kill)
        error = self.assertRaises(db_exception.DBError, self.create, 'other')
        self.assertFalse(isinstance(error, errors.Uncommitted), error)

    def kill(self) -> None:
        """Close the connections of this database."""
        raise NotImplementedError


class MariaDBTest(OnMariaDB, HungDatabase, testtools.TestCase):
    SERVER = MariaDB

    def kill(self) -> None:
        name = self.conf.database.connection.rpartition('/')[2]
        found = self.server.execute(
            'SELECT id FROM information_schema.processlist '
            f"WHERE db = '{name}'"
        )
        for (number,) in found:
            self.server.execute(f'KILL {number}')


class PostgreSQLTest(OnPostgreSQL, HungDatabase, testtools.TestCase):
    SERVER = PostgreSQL

    def kill(self) -> None:
        name = self.conf.database.connection.rpartition('/')[2]
        self.server.execute(
            'SELECT pg_terminate_backend(pid) FROM pg_stat_activity '
            f"WHERE datname = '{name}'"
        )


class MySQLdbTest(OnMySQLdb, MariaDBTest):
    pass


class PsycopgTest(OnPsycopg, PostgreSQLTest):
    pass
