# SPDX-License-Identifier: Apache-2.0

"""All migrations of the schema."""

import pathlib
import subprocess
from typing import Any

import alembic.autogenerate
import alembic.migration
import alembic.script
import sqlalchemy as sa
import testtools

from console_svc import conf as configuration
from console_svc import exception
from console_svc.consoles.tokens import hash_of
from console_svc.context import admin_context
from console_svc.db import migration, tables
from console_svc.services import Services
from console_svc.tests import fixtures
from console_svc.tests.functional.db.base import (
    NOW,
    OnDatabase,
    OnSQLite,
    console,
    session,
    token,
)
from console_svc.tests.programs import process


class Migrations(OnDatabase):
    def setUp(self) -> None:
        super().setUp()
        self.file = self.empty()
        conf = configuration.load(files=[str(self.file)])
        self.services = Services(conf, clock=lambda: NOW)
        self.database = self.services.database
        self.addCleanup(self.database.dispose)

    def test_upgrade_one_revision_at_a_time(self) -> None:
        self.assertIsNone(migration.version(self.database))
        folder = pathlib.Path(migration.__file__).parent / 'alembic'
        revisions = [
            script.revision
            for script in alembic.script.ScriptDirectory(
                folder
            ).walk_revisions()
        ][::-1]
        self.assertEqual(migration.head(), revisions[-1])
        for revision in revisions:
            migration.sync(self.database, revision)
            self.assertEqual(revision, migration.version(self.database))
        self.assertEqual([], self.difference())

    def test_tables_and_migrations_agree(self) -> None:
        migration.sync(self.database)
        self.assertEqual([], self.difference())

    def test_the_oldest_schema_that_is_needed_suffices(self) -> None:
        migration.sync(self.database, tables.NEEDED)
        self.database.check()
        self.database.tokens.create(token('hash'), NOW, 1)
        self.open_once('a', 'hash', max_sessions=1)
        self.assertEqual(1, self.database.locks.purge(NOW + 3600, 10))
        self.services.purge.run()

    def test_upgrade_keeps_consoles(self) -> None:
        migration.sync(self.database, '001')
        # Ids of deleted consoles must not be reused after the upgrade.
        for server_id in (fixtures.SERVER, 'gone'):
            self.insert(
                'consoles',
                server_id=server_id,
                server_host='compute-1',
                console_type='vnc',
                instance_name='instance-00000001',
                host='192.0.2.1',
                port=5900,
                encrypted_password=self.services.vault.encrypt('sesame'),
                created_at=NOW,
            )
        with self.database.engine.begin() as connection:
            connection.execute(
                sa.text("DELETE FROM consoles WHERE server_id = 'gone'")
            )
        migration.sync(self.database)
        server = self.services.driver.get_server(
            admin_context(), fixtures.SERVER
        )
        (kept,) = self.services.native_consoles.list(server)
        _, password = self.services.native_consoles.get(
            admin_context(), server, kept.id
        )
        self.assertEqual('sesame', password)
        self.database.native_consoles.create(console('next'), NOW)
        (following,) = self.database.native_consoles.list('next')
        self.assertEqual(kept.id + 2, following.id)

    def test_upgrade_keeps_tokens(self) -> None:
        migration.sync(self.database, '001')
        self.insert(
            'console_auth_tokens',
            token_hash=hash_of('an-old-token'),
            server_id=fixtures.SERVER,
            project_id='demo',
            user_id='joe',
            console_type='novnc',
            host='192.0.2.10',
            port=5901,
            tls_port=None,
            internal_access_path=None,
            created_at=NOW,
            expires=NOW + 600,
        )
        migration.sync(self.database)
        found = self.services.tokens.validate(admin_context(), 'an-old-token')
        self.assertEqual(fixtures.SERVER, found.server_id)
        # Uses of the old token are counted.
        self.open_once('a', found.token_hash)
        self.assertRaises(
            exception.TokenUsedUp, self.open_once, 'b', found.token_hash
        )

    def test_upgrade_tells_native_consoles_from_tokens_of_users(self) -> None:
        migration.sync(self.database, '010')
        for token_hash, port in ('token', None), ('native', 5901):
            self.insert(
                'console_auth_tokens',
                token_hash=token_hash,
                server_id='server',
                project_id='demo',
                console_type='novnc',
                host='192.0.2.10',
                port=5901,
                created_at=NOW,
                expires=NOW + 600,
            )
            self.insert(
                'consoles',
                server_id='server',
                server_host=token_hash,
                console_type='vnc',
                instance_name='instance-00000001',
                host='192.0.2.1',
                port=5900,
                encrypted_password='',
                created_at=NOW,
                gateway_port=port,
                token_hash=token_hash if port else None,
            )
        migration.sync(self.database)
        columns = tables.console_auth_tokens.c
        types = {
            row['token_hash']: row['console_type']
            for row in self.database.read(
                sa.select(columns.token_hash, columns.console_type)
            )
        }
        self.assertEqual({'token': 'novnc', 'native': 'vnc'}, types)

    def open_once(
        self, session_id: str, token_hash: str, max_sessions: int = 0
    ) -> None:
        """Open a session by a token that can open only one."""
        self.database.sessions.open(
            session(session_id, token_hash=token_hash),
            NOW + 30,
            max_uses=1,
            max_sessions=max_sessions,
            replace=False,
        )

    def test_db_sync_is_idempotent(self) -> None:
        self.assertEqual(
            f'The schema is {migration.head()}.\n', self.manage('db', 'sync')
        )
        self.database.native_consoles.create(console(), NOW)
        before = self.snapshot()
        self.assertEqual(
            f'The schema is {migration.head()}.\n', self.manage('db', 'sync')
        )
        self.assertEqual(before, self.snapshot())
        self.assertIn('CREATE TABLE consoles', str(before))

    def test_concurrent_db_syncs(self) -> None:
        # Without a key file, the commands also create it.
        (self.file.parent / 'console-keys').unlink()
        commands = [
            subprocess.Popen(
                self.command('db', 'sync'),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for _ in range(3)
        ]
        for command in commands:
            said, _ = command.communicate(timeout=process.PATIENCE)
            self.assertEqual(0, command.returncode, said)
            self.assertIn(f'The schema is {migration.head()}.', said)
        self.assertEqual(migration.head(), migration.version(self.database))
        self.assertEqual([], self.difference())
        with self.database.engine.connect() as connection:
            leases = connection.execute(sa.select(tables.leases)).all()
        self.assertEqual([('purge', 0), ('recordings', 0)], leases)

    def command(self, *arguments: str) -> list[str]:
        return [
            process.program('console-svc-manage'),
            *('--config-file', str(self.file)),
            *arguments,
        ]

    def manage(self, *arguments: str) -> str:
        return subprocess.run(
            self.command(*arguments),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout

    def difference(self) -> list[Any]:
        """Return what alembic would change."""
        with self.database.engine.connect() as connection:
            context = alembic.migration.MigrationContext.configure(
                connection,
                opts={'compare_type': True, 'compare_server_default': True},
            )
            return alembic.autogenerate.compare_metadata(
                context, tables.metadata
            )

    def insert(self, table: str, **values: Any) -> None:
        """Store a row as the code of an older revision would."""
        with self.database.engine.begin() as connection:
            connection.execute(
                sa.table(table, *map(sa.column, values)).insert(), values
            )

    def snapshot(self) -> list[str]:
        """Return all tables, indexes and rows as text."""
        tables = sa.MetaData()
        with self.database.engine.connect() as connection:
            tables.reflect(connection)
            return [
                line
                for table in tables.sorted_tables
                for line in (
                    str(sa.schema.CreateTable(table).compile(connection)),
                    *sorted(
                        str(sa.schema.CreateIndex(index).compile(connection))
                        for index in table.indexes
                    ),
                    *map(str, connection.execute(sa.select(table))),
                )
            ]


class SQLiteMigrations(OnSQLite, Migrations, testtools.TestCase):
    pass
