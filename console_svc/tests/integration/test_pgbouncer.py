# SPDX-License-Identifier: Apache-2.0

"""The service on a PostgreSQL behind PgBouncer in transaction mode."""

from concurrent import futures

import sqlalchemy as sa
import testtools

from console_svc import conf as configuration
from console_svc.db import migration
from console_svc.db.database import Database
from console_svc.tests import fixtures
from console_svc.tests.functional.db import (
    test_log_ins,
    test_migrations,
    test_sessions,
    test_tokens,
)
from console_svc.tests.functional.db.base import OnDatabase
from console_svc.tests.integration.pgbouncer import PgBouncer
from console_svc.tests.integration.postgresql import PostgreSQL
from console_svc.tests.integration.service import Service
from console_svc.tests.programs import process


class OnPgBouncer(OnDatabase):
    def url(self) -> str:
        return process.shared(PgBouncer).database()


class PgBouncerMigrations(
    OnPgBouncer, test_migrations.Migrations, testtools.TestCase
):
    def test_db_sync_leaves_no_lock(self) -> None:
        for _ in range(3):
            self.manage('db', 'sync')
        locks = process.shared(PostgreSQL).execute(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory'"
        )
        self.assertEqual([], locks)


class PgBouncerTokens(OnPgBouncer, test_tokens.Tokens, testtools.TestCase):
    pass


class PgBouncerSessions(
    OnPgBouncer, test_sessions.Sessions, testtools.TestCase
):
    pass


class PgBouncerLogIns(OnPgBouncer, test_log_ins.LogIns, testtools.TestCase):
    pass


class ServiceTest(OnPgBouncer, testtools.TestCase):
    def test_requests_succeed(self) -> None:
        service = self.useFixture(Service(database={'connection': self.url()}))
        server = f'/v2.1/servers/{fixtures.SERVER}'
        token = service.issue()
        for _ in range(8):
            answers = [
                service.request('GET', '/healthcheck'),
                service.request('POST', f'{server}/consoles', fixtures.MEMBER),
                service.request('GET', f'{server}/consoles', fixtures.MEMBER),
                service.request(
                    'POST',
                    f'{server}/remote-consoles',
                    fixtures.MEMBER,
                    '2.6',
                    json={
                        'remote_console': {'protocol': 'vnc', 'type': 'novnc'}
                    },
                ),
                service.request(
                    'GET',
                    f'/v2.1/os-console-auth-tokens/{token}',
                    fixtures.SERVICE,
                    '2.31',
                ),
            ]
            self.assertEqual([200] * 5, [it.status_code for it in answers])

    def test_a_role_with_a_time_out_can_migrate(self) -> None:
        server = process.shared(PostgreSQL)
        url = self.url()
        name = url.rpartition('/')[2]
        # As the docs recommend.
        server.execute(
            f'ALTER ROLE postgres IN DATABASE {name} '
            "SET statement_timeout = '200ms'"
        )
        conf = configuration.load()
        conf.set_override('connection', url, 'database')
        database = Database(conf)
        self.addCleanup(database.dispose)

        def waits() -> bool:
            return bool(
                server.execute(
                    'SELECT pid FROM pg_stat_activity '
                    f"WHERE datname = '{name}' AND wait_event = 'advisory' "
                    "AND now() - query_start > '400ms'"
                )
            )

        with futures.ThreadPoolExecutor() as pool:
            with database.writing() as connection:
                # A concurrent migration.
                connection.execute(
                    sa.select(sa.func.pg_advisory_xact_lock(migration.LOCK))
                )
                migrated = pool.submit(migration.sync, database)
                process.wait_for(waits, 'the lock')
            migrated.result()
        self.assertEqual(migration.head(), migration.version(database))


class PsycopgServiceTest(ServiceTest):
    """With psycopg 3, which prepares statements by default."""

    def url(self) -> str:
        return super().url().replace('psycopg2', 'psycopg')
