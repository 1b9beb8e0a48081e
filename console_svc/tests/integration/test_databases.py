# SPDX-License-Identifier: Apache-2.0

"""All migrations and queries, on each database engine."""

import pathlib
import subprocess
from collections.abc import Callable
from typing import Any

import alembic.autogenerate
import alembic.migration
import alembic.script
import sqlalchemy as sa
import testtools
from oslo_db import exception as db_exception

from console_svc import audit, compute
from console_svc import conf as configuration
from console_svc.consoles import vault
from console_svc.consoles.native.consoles import NativeConsoles
from console_svc.consoles.tokens import ConsoleAuthTokens, hash_of
from console_svc.context import everybody
from console_svc.db import api as db
from console_svc.db import migration, tables
from console_svc.db.database import Database
from console_svc.tests import fixtures
from console_svc.tests.integration.databases import (
    OnDatabase,
    OnMariaDB,
    OnPostgreSQL,
    OnSQLite,
)
from console_svc.tests.programs import process

NOW = 1_000_000


def console(server_id: str = 'server', **values: Any) -> dict[str, Any]:
    """Return a row of consoles."""
    return {
        'server_id': server_id,
        'server_host': 'compute-1',
        'console_type': 'vnc',
        'instance_name': 'instance-00000001',
        'host': '192.0.2.1',
        'port': 5900,
        'encrypted_password': 'secret',
        'created_at': NOW,
        'gateway_port': None,
        'token_hash': None,
        'expires': None,
        'failures': 0,
        'locked_until': 0,
        **values,
    }


def token(token_hash: str, **values: Any) -> dict[str, Any]:
    """Return a row of console_auth_tokens."""
    return {
        'token_hash': token_hash,
        'server_id': 'server',
        'project_id': 'demo',
        'user_id': 'joe',
        'console_type': 'novnc',
        'host': '192.0.2.1',
        'port': 5900,
        'tls_port': None,
        'internal_access_path': None,
        'encrypted_ticket': None,
        'created_at': NOW,
        'expires': NOW + 600,
        'client_address': None,
        **values,
    }


def session(session_id: str, **values: Any) -> dict[str, Any]:
    """Return a row of console_sessions."""
    return {
        'session_id': session_id,
        'token_hash': 'hash',
        'server_id': 'server',
        'project_id': 'demo',
        'user_id': 'joe',
        'console_type': 'novnc',
        'client_address': '2001:db8::1',
        'created_at': NOW,
        'expires': NOW + 600,
        'alive_until': NOW + 30,
        **values,
    }


class Migrations(OnDatabase):
    def setUp(self) -> None:
        super().setUp()
        self.file = self.empty()
        self.conf = configuration.load(files=[str(self.file)])
        self.database = Database(self.conf)
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

    def test_data_is_kept_by_an_upgrade(self) -> None:
        migration.sync(self.database, '001')
        keys = vault.Vault(self.conf)
        old = console(
            fixtures.SERVER, encrypted_password=keys.encrypt('sesame')
        )
        for newer in (
            'gateway_port',
            'token_hash',
            'expires',
            'failures',
            'locked_until',
        ):
            del old[newer]
        # Ids of deleted consoles must not be reused after the upgrade.
        for server in (fixtures.SERVER, 'gone'):
            self.insert('consoles', {**old, 'server_id': server})
        with self.database.engine.begin() as connection:
            connection.execute(
                sa.text("DELETE FROM consoles WHERE server_id = 'gone'")
            )
        old = token(
            hash_of('an-old-token'),
            server_id=fixtures.SERVER,
            host='192.0.2.10',
            port=5901,
            expires=NOW + 600,
        )
        for newer in ('client_address', 'encrypted_ticket'):
            del old[newer]
        self.insert('console_auth_tokens', old)
        migration.sync(self.database)
        driver = compute.load(self.conf)
        tokens = ConsoleAuthTokens(
            self.conf,
            self.database,
            driver,
            audit.Audit(),
            clock=lambda: NOW,
        )
        consoles = NativeConsoles(self.conf, self.database, driver, tokens)
        server = driver.get_server(everybody(), fixtures.SERVER)
        (row,) = consoles.list(server)
        self.assertEqual('sesame', consoles.get(server, row['id']).password)
        self.database.create_console(console('next'))
        (following,) = self.database.list_consoles('next')
        self.assertEqual(row['id'] + 2, following['id'])
        found = tokens.validate(everybody(), 'an-old-token')
        self.assertEqual(fixtures.SERVER, found.server_id)
        # Uses of the old token are counted.
        self.database.open_session(
            session('s', token_hash=found.hash), NOW, 1, 0, False
        )
        self.assertRaises(
            db.UsedUp,
            self.database.open_session,
            session('t', token_hash=found.hash),
            *(NOW, 1, 0, False),
        )

    def test_db_sync_is_idempotent(self) -> None:
        self.assertEqual(
            f'The schema is {migration.head()}.\n', self.manage('db', 'sync')
        )
        self.database.create_console(console())
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
        self.assertEqual([('purge', 0)], leases)

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

    def insert(self, table: str, values: dict[str, Any]) -> None:
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


class MariaDBMigrations(OnMariaDB, Migrations, testtools.TestCase):
    pass


class PostgreSQLMigrations(OnPostgreSQL, Migrations, testtools.TestCase):
    pass


class Queries(OnDatabase):
    def setUp(self) -> None:
        super().setUp()
        self.configured = self.configuration()
        self.database = self.configured.database

    def test_ping(self) -> None:
        self.database.ping()
        with self.database.engine.begin() as connection:
            connection.execute(sa.text('DROP TABLE consoles'))
        self.assertRaises(db_exception.DBError, self.database.ping)

    def test_consoles_are_created_listed_and_deleted(self) -> None:
        self.assertEqual([], self.database.list_consoles('server'))
        self.database.create_console(console(server_host='b'))
        self.database.create_console(console(server_host='a'))
        self.database.create_console(console('other'))
        first, second = self.database.list_consoles('server')
        self.assertEqual(console(server_host='b', id=first['id']), dict(first))
        self.assertEqual('a', second['server_host'])
        self.assertLess(first['id'], second['id'])
        self.assertTrue(self.database.delete_console(first['id']))
        self.assertFalse(self.database.delete_console(first['id']))
        self.assertEqual([second], self.database.list_consoles('server'))
        self.assertEqual(1, len(self.database.list_consoles('other')))

    def test_duplicate_consoles_are_refused(self) -> None:
        self.database.create_console(console())
        self.assertRaises(
            db_exception.DBDuplicateEntry,
            self.database.create_console,
            console(encrypted_password='another'),
        )
        (row,) = self.database.list_consoles('server')
        self.assertEqual('secret', row['encrypted_password'])

    def test_gateway_consoles_are_created_and_found(self) -> None:
        create = self.database.create_gateway_console
        mine = console(gateway_port=5901, token_hash='a', expires=NOW + 600)
        create(mine, token('a', expires=NOW + 600))
        for other in (
            console(gateway_port=5902, token_hash='b'),
            console('other', gateway_port=5901, token_hash='b'),
        ):
            self.assertRaises(
                db_exception.DBDuplicateEntry, create, other, token('b')
            )
        self.assertEqual(['a'], self.hashes())
        # Several consoles may have no port. Those of a driver are not found.
        create(console('other', token_hash='b'), token('b'))
        create(console('third', token_hash='c'), token('c'))
        self.database.create_console(console('by-driver'))
        (row,) = self.database.list_gateway_ports()
        self.assertEqual(
            (5901, NOW + 600), (row['gateway_port'], row['expires'])
        )
        for column, value, found in (
            ('gateway_port', 5901, ['a']),
            ('gateway_port', 5902, []),
            ('server_id', 'server', ['a']),
            ('server_id', 'by-driver', []),
            # At most two are returned, the newest first.
            ('instance_name', 'instance-00000001', ['c', 'b']),
            ('instance_name', 'Instance-00000001', []),
        ):
            rows = self.database.find_gateway_consoles(column, value, NOW)
            self.assertEqual(found, [row['token_hash'] for row in rows])
        self.assertEqual(
            [],
            self.database.find_gateway_consoles(
                'gateway_port', 5901, NOW + 600
            ),
        )

    def test_gateway_consoles_are_deleted_with_their_tokens(self) -> None:
        for name in ('a', 'b', 'c'):
            self.database.create_gateway_console(
                console(name, token_hash=name),
                token(name, server_id=name, expires=NOW + 600),
            )
            self.database.create_console(
                console(name, server_host='by-driver')
            )

        def left() -> list[str]:
            return [
                name
                for name in ('a', 'b', 'c')
                if len(self.database.list_consoles(name)) == 2
            ]

        self.database.delete_tokens('token_hash', 'a')
        self.assertEqual(['b', 'c'], left())
        self.database.delete_tokens('server_id', 'b')
        self.assertEqual(['c'], left())
        self.assertEqual(1, self.database.purge_tokens(NOW + 600, 10))
        self.assertEqual([], left())
        for name in ('a', 'b', 'c'):
            self.assertEqual(1, len(self.database.list_consoles(name)))

    def test_a_gateway_console_expires_when_used_up(self) -> None:
        for name, port in (('a', 5901), ('b', 5902)):
            self.database.create_gateway_console(
                console(name, gateway_port=port, token_hash=name), token(name)
            )
        for number in range(2):
            self.open(str(number), token_hash='a', max_uses=2)
            self.database.expire_if_used_up('a', NOW + number, 2)
            self.database.expire_if_used_up('b', NOW + number, 2)
        expired = {
            row['token_hash']: row['expires']
            for row in self.database.list_gateway_ports()
        }
        self.assertEqual({'a': NOW + 1, 'b': None}, expired)
        # It is still found, so that a log-in can fail with the reason.
        (row,) = self.database.find_gateway_consoles('server_id', 'a', NOW + 2)
        self.assertEqual('a', row['token_hash'])
        self.database.forget_gateway_console('a')
        self.assertEqual(['b'], self.hashes())
        self.assertEqual([], self.database.list_consoles('a'))
        self.assertEqual(['0', '1'], self.sessions())

    def test_failures_are_counted_and_lock_the_console(self) -> None:
        self.database.create_console(console())
        (row,) = self.database.list_consoles('server')

        def count(now: int) -> tuple[bool, int, int]:
            counted, state = self.database.count_failure(
                row['id'], now, 3, now + 60
            )
            return counted, state['failures'], state['locked_until']

        self.assertEqual((True, 1, 0), count(NOW))
        self.assertEqual((True, 2, 0), count(NOW))
        self.assertEqual((True, 0, NOW + 60), count(NOW))
        self.assertEqual((False, 0, NOW + 60), count(NOW + 59))
        self.assertEqual((True, 1, NOW + 60), count(NOW + 60))
        self.database.forget_failures(row['id'])
        self.assertEqual((True, 1, 0), count(NOW + 60))
        self.assertEqual(
            (False, None),
            self.database.count_failure(row['id'] + 1, NOW, 3, NOW + 60),
        )

    def test_console_ids_are_not_reused(self) -> None:
        self.database.create_console(console())
        (row,) = self.database.list_consoles('server')
        self.database.delete_console(row['id'])
        self.database.create_console(console())
        (again,) = self.database.list_consoles('server')
        self.assertGreater(again['id'], row['id'])

    def test_servers_with_consoles_are_paginated(self) -> None:
        for server in ('a', 'b', 'c', 'd'):
            self.database.create_console(console(server))
        self.database.create_console(console('b', server_host='compute-2'))
        pages = [['a', 'b'], ['c', 'd'], []]
        last = ''
        for page in pages:
            self.assertEqual(
                page, self.database.list_servers_with_consoles(last, 2)
            )
            last = page[-1] if page else ''

    def test_a_token_is_found_until_it_expires(self) -> None:
        values = token(
            'a' * 64,
            tls_port=5901,
            internal_access_path='a-path',
            client_address='2001:db8::1',
            # Needs more than 32 bits.
            expires=2**33,
        )
        self.database.create_token(values)
        found = self.database.get_token('a' * 64, 2**33 - 1)
        del values['token_hash'], values['created_at']
        self.assertEqual(values, {**found})
        self.assertIsNone(self.database.get_token('a' * 64, 2**33))
        self.assertIsNone(self.database.get_token('b' * 64, NOW))

    def test_duplicate_token_hashes_are_refused(self) -> None:
        self.database.create_token(token('hash'))
        self.assertRaises(
            db_exception.DBDuplicateEntry,
            self.database.create_token,
            token('hash'),
        )

    def test_purge_deletes_expired_tokens_in_batches(self) -> None:
        for number in range(5):
            self.database.create_token(
                token(str(number), expires=NOW + number)
            )
        self.assertEqual(2, self.database.purge_tokens(NOW + 3, 2))
        self.assertEqual(['2', '3', '4'], self.hashes())
        self.assertEqual(2, self.database.purge_tokens(NOW + 3, 3))
        self.assertEqual(['4'], self.hashes())
        self.assertEqual(0, self.database.purge_tokens(NOW + 3, 3))
        self.assertEqual(['4'], self.hashes())

    def test_purge_of_more_tokens_than_sql_parameters(self) -> None:
        number = 33_000
        with self.database.engine.begin() as connection:
            connection.execute(
                tables.console_auth_tokens.insert(),
                [token(str(it), expires=NOW) for it in range(number)],
            )
        self.assertEqual(number, self.database.purge_tokens(NOW, 10 * number))
        self.assertEqual([], self.hashes())

    def test_tokens_are_found_and_deleted_with_their_sessions(self) -> None:
        for name, server in (('a', 's'), ('b', 's'), ('c', 't')):
            self.database.create_token(token(name, server_id=server))
            self.open(name, token_hash=name, server_id=server)
        found = self.database.find_tokens('token_hash', 'a')
        self.assertEqual(['a'], [row['token_hash'] for row in found])
        found = self.database.find_tokens('server_id', 's')
        self.assertEqual({'a', 'b'}, {row['token_hash'] for row in found})
        ended = self.database.delete_tokens('token_hash', 'a')
        self.assertEqual(['a'], [row['session_id'] for row in ended])
        self.assertEqual(['b', 'c'], self.hashes())
        self.assertEqual([], self.database.delete_tokens('token_hash', 'a'))
        ended = self.database.delete_tokens('server_id', 's')
        self.assertEqual(['b'], [row['session_id'] for row in ended])
        self.assertEqual(['c'], self.hashes())
        self.assertEqual([], self.sessions('s'))
        self.assertEqual(['c'], self.sessions('t'))

    def test_uses_are_counted_and_limited(self) -> None:
        self.database.create_token(token('hash'))
        self.open('a', max_uses=2)
        self.open('b', max_uses=2)
        self.assertRaises(db.UsedUp, self.open, 'c', max_uses=2)
        self.assertEqual(['a', 'b'], self.sessions())
        self.open('c')
        self.assertEqual(3, self.uses())
        self.assertRaises(db.UsedUp, self.open, 'd', token_hash='unknown')
        self.assertRaises(db.UsedUp, self.open, 'd', now=NOW + 600)

    def test_a_full_server_refuses_sessions(self) -> None:
        self.database.create_token(token('hash'))
        self.open('a', max_sessions=2, alive_until=NOW + 10)
        self.open('b', max_sessions=2)
        self.assertRaises(db.Full, self.open, 'c', max_sessions=2)
        self.assertEqual(['a', 'b'], self.sessions())
        # The refused session does not count as a use.
        self.assertEqual(2, self.uses())
        # A lapsed session does not count.
        self.open('c', max_sessions=2, now=NOW + 10)
        self.assertEqual(['b', 'c'], self.sessions(now=NOW + 10))

    def test_a_full_server_can_end_its_oldest_sessions(self) -> None:
        self.database.create_token(token('hash'))
        for name in 'abc':
            self.assertEqual([], self.open(name))
        ended = self.open('d', max_sessions=2, replace=True)
        self.assertEqual(['a', 'b'], [row['session_id'] for row in ended])
        self.assertEqual(['c', 'd'], self.sessions())
        # A session that is refused ends no other.
        self.assertRaises(
            db.UsedUp,
            self.open,
            'e',
            max_uses=1,
            max_sessions=2,
            replace=True,
        )
        self.assertEqual(['c', 'd'], self.sessions())

    def test_channels_of_a_session_count_as_one_use(self) -> None:
        self.database.create_token(token('hash'))
        for name in ('a', 'b', 'c'):
            self.open(name, max_uses=1, in_channels=True)
        self.assertEqual(1, self.uses())
        # Another address is another use, and so is a channel after all
        # others are closed.
        self.assertRaises(
            db.UsedUp,
            self.open,
            'd',
            max_uses=1,
            in_channels=True,
            client_address='2001:db8::2',
        )
        for name in ('a', 'b', 'c'):
            self.database.delete_session(name, 'token_hash', 'hash')
        self.assertRaises(
            db.UsedUp, self.open, 'd', max_uses=1, in_channels=True
        )

    def test_keep_session_extends_a_session(self) -> None:
        self.database.create_token(token('hash'))
        self.open('a')

        def keep(now: int, until: int, name: str = 'hash') -> int | None:
            row = self.database.keep_session('a', name, now, until)
            return None if row is None else row['alive_until']

        self.assertEqual(NOW + 50, keep(NOW + 20, NOW + 50))
        # Twice in a second: found, although the update changes nothing.
        self.assertEqual(NOW + 50, keep(NOW + 20, NOW + 50))
        self.assertIsNone(keep(NOW + 20, NOW + 60, 'another'))
        self.assertIsNone(keep(NOW + 50, NOW + 60))
        # Not beyond the time at which the session expires.
        self.assertEqual(NOW + 600, keep(NOW + 49, NOW + 700))
        self.assertIsNone(keep(NOW + 600, NOW + 700))

    def test_keep_sessions_extends_several_sessions(self) -> None:
        self.database.create_token(token('hash'))
        for name, expires in (('a', None), ('b', NOW + 60), ('c', NOW + 10)):
            self.open(name, expires=expires)

        def keep(now: int, *names: str) -> dict[str, int]:
            self.database.keep_sessions(names, now, now + 50, now + 40)
            return {
                row['session_id']: row['alive_until']
                for row in self.database.list_sessions('server', 0)
            }

        untouched = keep(NOW, 'unknown')
        # 'c' has expired.
        self.assertEqual(
            {'a': NOW + 70, 'b': NOW + 60, 'c': untouched['c']},
            keep(NOW + 20, 'a', 'b', 'c'),
        )
        # A session that was extended recently is not updated again.
        self.assertEqual(NOW + 70, keep(NOW + 21, 'a')['a'])

    def test_keep_session_without_expiry(self) -> None:
        self.database.create_token(token('hash'))
        self.open('a', expires=None)
        row = self.database.keep_session('a', 'hash', NOW, NOW + 10_000)
        self.assertEqual(NOW + 10_000, row['alive_until'])
        self.assertIsNone(row['expires'])

    def test_sessions_are_listed_and_deleted(self) -> None:
        self.database.create_token(token('hash'))
        self.open('b')
        self.open('a')
        (first, _) = self.database.list_sessions('server', NOW)
        self.assertEqual(session('b', id=first['id']), dict(first))
        self.assertEqual(['b', 'a'], self.sessions())
        self.assertEqual([], self.sessions(now=NOW + 30))
        for column, value in (('server_id', 't'), ('token_hash', 'x')):
            self.assertEqual(
                [], self.database.delete_session('a', column, value)
            )
        (ended,) = self.database.delete_session('a', 'server_id', 'server')
        self.assertEqual('a', ended['session_id'])
        (ended,) = self.database.delete_session('b', 'token_hash', 'hash')
        self.assertEqual(
            [], self.database.delete_session('b', 'token_hash', 'hash')
        )
        self.assertEqual([], self.sessions())

    def test_purge_deletes_lapsed_sessions_in_batches(self) -> None:
        self.database.create_token(token('hash'))
        for number in range(4):
            self.open(str(number), alive_until=NOW + number, now=NOW - 1)
        ended = self.database.purge_sessions(NOW + 2, 2)
        self.assertEqual(['0', '1'], [row['session_id'] for row in ended])
        ended = self.database.purge_sessions(NOW + 2, 2)
        self.assertEqual(['2'], [row['session_id'] for row in ended])
        self.assertEqual([], self.database.purge_sessions(NOW + 2, 2))
        self.assertEqual(['3'], self.sessions())

    def test_a_lease_is_taken_when_the_last_one_has_expired(self) -> None:
        take = self.database.take_lease
        self.assertTrue(take('purge', NOW, NOW + 60))
        self.assertFalse(take('purge', NOW, NOW + 60))
        self.assertFalse(take('purge', NOW + 59, NOW + 119))
        self.assertTrue(take('purge', NOW + 60, NOW + 120))
        self.assertFalse(take('unknown', NOW, NOW + 60))

    def test_comparisons_are_case_and_accent_sensitive(self) -> None:
        self.database.create_token(token('abc'))
        self.open('abc', token_hash='abc')
        self.database.create_console(console(server_host='compute-a'))
        # None of these is a duplicate.
        self.database.create_console(console(server_host='Compute-A'))
        self.database.create_console(console(server_host='compute-\u00e4'))
        self.database.create_token(token('ABC'))
        for name in ('Abc', 'äbc'):
            self.assertIsNone(self.database.get_token(name, NOW))
            self.assertIsNone(
                self.database.keep_session(name, 'abc', NOW, NOW + 30)
            )
            self.assertEqual(
                [], self.database.delete_session(name, 'server_id', 'server')
            )
        for name in ('Server', 'sérver'):
            self.assertEqual([], self.database.list_consoles(name))
            self.assertEqual([], self.sessions(name))
            self.assertEqual([], self.database.find_tokens('server_id', name))
            self.assertEqual(
                [], self.database.delete_tokens('server_id', name)
            )
        self.assertEqual(['ABC', 'abc'], self.hashes())

    def test_unusual_session_ids_are_not_found(self) -> None:
        service = self.useFixture(
            fixtures.Api(database={'connection': self.url()})
        )
        key = service.issue('novnc')
        for segment in ('%00', 'a%00b', '%F0%9F%98%80', '%C3%A4', 'a' * 300):
            for method, path, persona in (
                (
                    'DELETE',
                    f'/v2.1/servers/{fixtures.SERVER}/console-sessions',
                    fixtures.MEMBER,
                ),
                (
                    'PUT',
                    f'/v2.1/os-console-auth-tokens/{key}/sessions',
                    fixtures.SERVICE,
                ),
            ):
                answer = service.request(method, f'{path}/{segment}', persona)
                self.assertEqual(404, answer.status_int, segment)

    def open(
        self,
        session_id: str,
        max_uses: int = 0,
        max_sessions: int = 0,
        replace: bool = False,
        now: int = NOW,
        in_channels: bool = False,
        **values: Any,
    ) -> Any:
        return self.database.open_session(
            session(session_id, **values),
            now,
            max_uses,
            max_sessions,
            replace,
            in_channels,
        )

    def uses(self) -> int:
        (row,) = self.database.find_tokens('token_hash', 'hash')
        return row['uses']

    def hashes(self) -> list[str]:
        column = tables.console_auth_tokens.c.token_hash
        with self.database.engine.connect() as connection:
            return sorted(connection.execute(sa.select(column)).scalars())

    def sessions(self, server_id: str = 'server', now: int = NOW) -> list[str]:
        rows = self.database.list_sessions(server_id, now)
        return [row['session_id'] for row in rows]


class SQLiteQueries(OnSQLite, Queries, testtools.TestCase):
    pass


class MariaDBQueries(OnMariaDB, Queries, testtools.TestCase):
    pass


class PostgreSQLQueries(OnPostgreSQL, Queries, testtools.TestCase):
    pass


class Plans(OnDatabase):
    """The query plan of each query uses the intended index."""

    #: The engine's statements for query plans and statistics.
    EXPLAIN = 'EXPLAIN '
    ANALYZE = 'ANALYZE'

    SERVERS = 1000

    def setUp(self) -> None:
        super().setUp()
        self.database = self.configuration().database
        servers = [f'server-{number}' for number in range(self.SERVERS)]
        rows = [
            (f'{server}-{number}', server, NOW + at * 5 + number)
            for at, server in enumerate(servers)
            for number in range(5)
        ]
        with self.database.engine.begin() as connection:
            connection.execute(
                tables.consoles.insert(),
                [
                    console(
                        server,
                        instance_name=server,
                        gateway_port=at,
                        token_hash=f'{server}-0',
                    )
                    for at, server in enumerate(servers)
                ],
            )
            connection.execute(
                tables.console_auth_tokens.insert(),
                [
                    token(name, server_id=server, expires=time)
                    for name, server, time in rows
                ],
            )
            connection.execute(
                tables.console_sessions.insert(),
                [
                    session(
                        name,
                        # With many sessions per token, an index on the token
                        # is a bad choice to find one session.
                        token_hash=f'{server}-1',
                        server_id=server,
                        alive_until=time,
                    )
                    for name, server, time in rows
                ],
            )
        with self.database.engine.begin() as connection:
            for table in tables.metadata.tables:
                connection.execute(sa.text(f'{self.ANALYZE} {table}'))

    def test_queries_use_the_intended_indexes(self) -> None:
        database = self.database
        expected: dict[str, tuple[Callable[[], Any], list[str]]] = {
            'token look-up': (
                lambda: database.get_token('server-7-3', NOW),
                ['uq_console_auth_tokens_token_hash'],
            ),
            'consoles of a server': (
                lambda: database.list_consoles('server-7'),
                ['uq_consoles_server_id_server_host'],
            ),
            'log-in by port': (
                lambda: database.find_gateway_consoles('gateway_port', 7, 0),
                ['ix_consoles_gateway_port'],
            ),
            'log-in by id': (
                lambda: database.find_gateway_consoles(
                    'server_id', 'server-7', 0
                ),
                ['uq_consoles_server_id_server_host'],
            ),
            'log-in by name': (
                lambda: database.find_gateway_consoles(
                    'instance_name', 'server-7', 0
                ),
                ['ix_consoles_instance_name'],
            ),
            'counting a log-in': (
                lambda: database.count_failure(7, NOW, 3, NOW),
                ['pk_consoles'] * 2,
            ),
            'a console that is used up': (
                lambda: database.expire_if_used_up('server-7-0', NOW, 0),
                ['ix_consoles_token_hash'],
            ),
            'forgetting a console': (
                lambda: database.forget_gateway_console('server-92-0'),
                [
                    'uq_console_auth_tokens_token_hash',
                    'ix_consoles_token_hash',
                ],
            ),
            'sessions of a server': (
                lambda: database.list_sessions('server-7', NOW),
                ['ix_console_sessions_server_id'],
            ),
            'tokens of a server': (
                lambda: database.find_tokens('server_id', 'server-7'),
                ['ix_console_auth_tokens_server_id'],
            ),
            'keeping a session': (
                lambda: database.keep_session(
                    'server-7-3', 'server-7-1', NOW, NOW + 30
                ),
                ['uq_console_sessions_session_id'] * 2,
            ),
            'keeping sessions': (
                lambda: database.keep_sessions(
                    ['server-7-3', 'server-7-4'], NOW, NOW + 30, NOW + 30
                ),
                ['uq_console_sessions_session_id'] * 2,
            ),
            'opening a session': (
                lambda: database.open_session(
                    session('new', token_hash='server-8-3'), NOW, 1, 0, False
                ),
                ['uq_console_auth_tokens_token_hash'],
            ),
            'purge of tokens': (
                lambda: database.purge_tokens(NOW + 5, 1000),
                [
                    'ix_console_auth_tokens_expires',
                    'pk_console_auth_tokens',
                    'ix_consoles_token_hash',
                ],
            ),
            'purge of sessions': (
                lambda: database.purge_sessions(NOW + 50, 1000),
                ['ix_console_sessions_alive_until', 'pk_console_sessions'],
            ),
            'revoking a token': (
                lambda: database.delete_tokens('token_hash', 'server-90-1'),
                [
                    'uq_console_auth_tokens_token_hash',
                    'ix_consoles_token_hash',
                    'ix_console_sessions_token_hash',
                    'pk_console_sessions',
                ],
            ),
            "revoking a server's tokens": (
                lambda: database.delete_tokens('server_id', 'server-91'),
                [
                    'ix_console_auth_tokens_server_id',
                    'uq_consoles_server_id_server_host',
                    'ix_console_sessions_server_id',
                    'pk_console_sessions',
                ],
            ),
        }
        wrong = {}
        for what, (action, indexes) in expected.items():
            plans = self.plans(action)
            if len(plans) != len(indexes) or not all(
                self.uses(plan, index)
                for plan, index in zip(plans, indexes, strict=True)
            ):
                wrong[what] = (indexes, plans)
        self.assertEqual({}, wrong)

    def plans(self, action: Callable[[], Any]) -> list[str]:
        """Return the query plan of each statement of an action."""
        plans = []

        def explain(
            connection: Any,
            cursor: Any,
            statement: str,
            parameters: Any,
            *more: Any,
        ) -> None:
            if statement.startswith(('SELECT', 'UPDATE', 'DELETE')):
                explaining = connection.connection.cursor()
                explaining.execute(self.EXPLAIN + statement, parameters)
                plans.append(
                    '\n'.join(str(row) for row in explaining.fetchall())
                )
                explaining.close()

        engines = self.database.engine, self.database.reader
        for engine in engines:
            sa.event.listen(engine, 'before_cursor_execute', explain)
        try:
            action()
        finally:
            for engine in engines:
                sa.event.remove(engine, 'before_cursor_execute', explain)
        return plans

    def uses(self, plan: str, index: str) -> bool:
        """Return whether a query plan uses an index."""
        raise NotImplementedError


class SQLitePlans(OnSQLite, Plans, testtools.TestCase):
    EXPLAIN = 'EXPLAIN QUERY PLAN '

    def uses(self, plan: str, index: str) -> bool:
        kind, _, name = index.partition('_')
        if kind == 'pk':
            return 'USING INTEGER PRIMARY KEY' in plan
        if kind == 'uq':
            # SQLite ignores the names of unique constraints: identify the
            # index by its table and first column.
            column = {
                'console_auth_tokens_token_hash': 'token_hash',
                'console_sessions_session_id': 'session_id',
                'consoles_server_id_server_host': 'server_id',
            }[name]
            return (
                f'INDEX sqlite_autoindex_{name.split("_" + column)[0]}'
                in (plan)
                and f'({column}=?' in plan
            )
        return f'INDEX {index} ' in plan


class MariaDBPlans(OnMariaDB, Plans, testtools.TestCase):
    ANALYZE = 'ANALYZE TABLE'

    def uses(self, plan: str, index: str) -> bool:
        if index.startswith('pk'):
            index = 'PRIMARY'
        # type, possible_keys, key
        return f"'{index}'" in plan.partition(', ')[2].split("'ALL'")[0]


class PostgreSQLPlans(OnPostgreSQL, Plans, testtools.TestCase):
    def uses(self, plan: str, index: str) -> bool:
        return f' {index} ' in plan and 'Seq Scan' not in plan
