# SPDX-License-Identifier: Apache-2.0

"""All migrations and queries on MariaDB and PostgreSQL.

The functional tests run them on SQLite.
"""

import dataclasses
import threading
from concurrent import futures
from typing import Any

import fixtures
import sqlalchemy as sa
import testtools
from oslo_db import exception as db_exception

from console_svc import exception
from console_svc.db import migration
from console_svc.db.tables import console_auth_tokens, console_sessions
from console_svc.tests.functional.db import (
    test_database,
    test_history,
    test_large_history,
    test_log_ins,
    test_migrations,
    test_modes,
    test_native_consoles,
    test_others,
    test_plans,
    test_proxies,
    test_recordings,
    test_sessions,
    test_tokens,
)
from console_svc.tests.functional.db.base import NOW, session
from console_svc.tests.integration.databases import OnMariaDB, OnPostgreSQL
from console_svc.tests.integration.mariadb import MariaDB
from console_svc.tests.programs import process


class Sessions(test_sessions.Sessions):
    def test_the_limit_holds_beside_the_previous_version(self) -> None:
        tokens = console_auth_tokens
        waits = threading.Event()

        def executes(connection: object, cursor: object, *rest: str) -> None:
            if rest[0].startswith('UPDATE console_auth_tokens'):
                waits.set()

        with futures.ThreadPoolExecutor() as pool:
            with self.database.writing() as connection:
                # During an upgrade: that version locks a server so.
                connection.execute(
                    tokens.update()
                    .where(tokens.c.server_id == 'server')
                    .values(uses=tokens.c.uses)
                )
                sa.event.listen(
                    self.database.engine, 'before_cursor_execute', executes
                )
                opening = pool.submit(self.open_session, 'b', max_sessions=1)
                self.assertTrue(waits.wait(process.PATIENCE))
                values = dataclasses.asdict(session('a'))
                connection.execute(
                    console_sessions.insert(),
                    {
                        'session_id': values.pop('id'),
                        'alive_until': NOW + 30,
                        **values,
                    },
                )
            self.assertRaises(exception.TooManySessions, opening.result)
        self.assertEqual(['a'], self.list_sessions())


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


class MariaDBProxies(OnMariaDB, test_proxies.Proxies, testtools.TestCase):
    pass


class MariaDBSessions(OnMariaDB, Sessions, testtools.TestCase):
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


class MariaDBLogInsLikeMySQL(
    OnMariaDB, test_log_ins.LogInsLikeMySQL, testtools.TestCase
):
    pass


class MariaDBHistory(OnMariaDB, test_history.History, testtools.TestCase):
    pass


class MariaDBModes(OnMariaDB, test_modes.Modes, testtools.TestCase):
    pass


class MariaDBOtherSessions(
    OnMariaDB, test_others.OtherSessions, testtools.TestCase
):
    pass


class MariaDBRecordings(
    OnMariaDB, test_recordings.Recordings, testtools.TestCase
):
    pass


class MariaDBRecordingAccesses(
    OnMariaDB, test_recordings.RecordingAccesses, testtools.TestCase
):
    pass


class OnMariaDBExplained(OnMariaDB):
    ANALYZE = 'ANALYZE TABLE'

    def uses(self, plan: str, index: str) -> bool:
        if index.startswith('pk'):
            index = 'PRIMARY'
        # type, possible_keys, key
        return f"'{index}'" in plan.partition(', ')[2].split("'ALL'")[0]


class MariaDBPlans(OnMariaDBExplained, test_plans.Plans, testtools.TestCase):
    pass


class MariaDBLargeHistory(
    OnMariaDBExplained, test_large_history.LargeHistory, testtools.TestCase
):
    SECTION = 'MariaDB'


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


class PostgreSQLProxies(
    OnPostgreSQL, test_proxies.Proxies, testtools.TestCase
):
    pass


class PostgreSQLSessions(OnPostgreSQL, Sessions, testtools.TestCase):
    pass


class PostgreSQLNativeConsoles(
    OnPostgreSQL, test_native_consoles.NativeConsoles, testtools.TestCase
):
    pass


class PostgreSQLLogIns(OnPostgreSQL, test_log_ins.LogIns, testtools.TestCase):
    pass


class PostgreSQLHistory(
    OnPostgreSQL, test_history.History, testtools.TestCase
):
    pass


class PostgreSQLModes(OnPostgreSQL, test_modes.Modes, testtools.TestCase):
    pass


class PostgreSQLOtherSessions(
    OnPostgreSQL, test_others.OtherSessions, testtools.TestCase
):
    pass


class PostgreSQLRecordings(
    OnPostgreSQL, test_recordings.Recordings, testtools.TestCase
):
    pass


class PostgreSQLRecordingAccesses(
    OnPostgreSQL, test_recordings.RecordingAccesses, testtools.TestCase
):
    pass


class OnPostgreSQLExplained(OnPostgreSQL):
    def uses(self, plan: str, index: str) -> bool:
        return f' {index} ' in plan and 'Seq Scan' not in plan


class PostgreSQLPlans(
    OnPostgreSQLExplained, test_plans.Plans, testtools.TestCase
):
    pass


class PostgreSQLLargeHistory(
    OnPostgreSQLExplained, test_large_history.LargeHistory, testtools.TestCase
):
    SECTION = 'PostgreSQL'
