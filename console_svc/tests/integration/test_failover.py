# SPDX-License-Identifier: Apache-2.0

"""The address of the database leads to another server.

The old server refuses writes, but keeps its connections open.
"""

import requests
import testtools

from console_svc import conf as configuration
from console_svc.db import migration
from console_svc.db.database import Database
from console_svc.tests import fixtures
from console_svc.tests.functional.db.base import NOW, session, token
from console_svc.tests.integration.mariadb import MariaDB
from console_svc.tests.integration.postgresql import PostgreSQL
from console_svc.tests.integration.relay import Relay
from console_svc.tests.integration.service import Service
from console_svc.tests.programs import process

REMOTE = f'/v2.1/servers/{fixtures.SERVER}/remote-consoles'
WANTED = {'remote_console': {'protocol': 'vnc', 'type': 'novnc'}}


class Failover:
    """Two servers with the same schema, and a relay in front of them."""

    def setUp(self) -> None:
        super().setUp()
        self.servers = [self.server() for _ in range(2)]
        urls = [self.url(server) for server in self.servers]
        #: What other hosts write to each server.
        self.databases = [self.database(url) for url in urls]
        for database in self.databases:
            migration.sync(database)
        old, _ = self.servers
        self.relay = self.useFixture(Relay(old.port))
        self.service = self.useFixture(
            Service(
                database={
                    'connection': urls[0].replace(
                        str(old.port), str(self.relay.port)
                    )
                }
            )
        )
        self.service.database.dispose()
        # Both processes have connections.
        self.service.process.wait_for(self.both, 'both processes')

    def database(self, url: str) -> Database:
        conf = configuration.load()
        conf.set_override('connection', url, 'database')
        database = Database(conf)
        self.addCleanup(database.dispose)
        return database

    def server(self) -> MariaDB | PostgreSQL:
        """Start a server."""
        raise NotImplementedError

    def url(self, server: MariaDB | PostgreSQL) -> str:
        """Return the URL of a new database, for a role without privileges."""
        raise NotImplementedError

    def set_read_only(
        self, server: MariaDB | PostgreSQL, is_read_only: bool
    ) -> None:
        """Make a server refuse writes, or accept them."""
        raise NotImplementedError

    def tokens(self, server: MariaDB | PostgreSQL) -> int:
        """Return the number of tokens that a server has."""
        raise NotImplementedError

    def issue(self) -> requests.Response:
        return self.service.request(
            'POST', REMOTE, fixtures.MEMBER, '2.6', json=WANTED
        )

    def both(self) -> bool:
        """Issue tokens, and return whether both processes have done it."""
        before = self.service.log.stat().st_size
        statuses = [self.issue().status_code for _ in range(8)]
        self.assertEqual([200] * 8, statuses)
        return len(self.service.processes(f'POST {REMOTE}', 200, before)) == 2

    def health(self) -> requests.Response:
        return self.service.request('GET', '/healthcheck')

    def test_writes_continue_on_the_new_server(self) -> None:
        old, new = self.servers
        self.set_read_only(old, True)
        before = self.tokens(old)
        self.relay.target = new.port
        # No request fails: what the old server has refused is repeated.
        self.service.process.wait_for(self.both, 'both processes')
        self.assertEqual(before, self.tokens(old))
        self.assertLessEqual(8, self.tokens(new))
        self.assertEqual(200, self.health().status_code)
        self.assertNotIn('Traceback', self.service.log.read_text())

    def test_a_read_only_database_is_not_healthy(self) -> None:
        old, _ = self.servers
        self.set_read_only(old, True)
        for _ in range(4):
            answer = self.issue()
            self.assertEqual(503, answer.status_code)
            self.assertIn(
                'database is unavailable',
                answer.json()['serviceUnavailable']['message'],
            )
            answer = self.health()
            self.assertEqual(503, answer.status_code)
            self.assertIn('read-only', answer.text)
        # It is the primary again.
        self.set_read_only(old, False)
        self.assertEqual(200, self.health().status_code)
        self.service.process.wait_for(self.both, 'both processes')
        self.assertNotIn('Traceback', self.service.log.read_text())

    def test_look_ups_and_keep_alives_follow(self) -> None:
        # One does not move what the other looks for.
        follower, other = (
            self.database(self.service.conf.database.connection)
            for _ in range(2)
        )

        def look_up() -> object:
            return follower.tokens.get('a', NOW)

        def keep() -> object:
            return other.sessions.keep([opened.id], NOW, NOW + 60, NOW)

        old, new = self.servers
        opened = session('00000000-0000-4000-8000-000000000001')
        self.assertFalse(look_up() or keep())
        self.set_read_only(old, True)
        self.relay.target = new.port
        self.databases[1].tokens.create(token('a'), NOW)
        self.databases[1].tokens.create(token('hash'), NOW)
        self.databases[1].sessions.open(
            opened, NOW + 60, max_uses=0, max_sessions=0, replace=False
        )
        process.wait_for(look_up, 'the token')
        process.wait_for(keep, 'the session')

    def test_the_health_check_leaves_the_old_server(self) -> None:
        old, new = self.servers
        self.set_read_only(old, True)
        self.relay.target = new.port
        for _ in range(8):
            self.assertEqual(200, self.health().status_code)


class MariaDBTest(Failover, testtools.TestCase):
    def server(self) -> MariaDB:
        return self.useFixture(MariaDB())

    def url(self, server: MariaDB) -> str:
        url = server.database()
        # root can write to a read-only server.
        server.execute("CREATE USER joe@'127.0.0.1'")
        server.execute("GRANT ALL ON d1.* TO joe@'127.0.0.1'")
        return url.replace('root@', 'joe@')

    def set_read_only(self, server: MariaDB, is_read_only: bool) -> None:
        server.execute(f'SET GLOBAL read_only = {is_read_only:d}')

    def tokens(self, server: MariaDB) -> int:
        ((number,),) = server.execute(
            'SELECT COUNT(*) FROM d1.console_auth_tokens'
        )
        return number


class PostgreSQLTest(Failover, testtools.TestCase):
    def server(self) -> PostgreSQL:
        return self.useFixture(PostgreSQL())

    def url(self, server: PostgreSQL) -> str:
        return server.database()

    def set_read_only(self, server: PostgreSQL, is_read_only: bool) -> None:
        value = 'on' if is_read_only else 'off'
        server.execute(
            f'ALTER SYSTEM SET default_transaction_read_only = {value}'
        )
        server.execute('SELECT pg_reload_conf()')
        process.wait_for(
            lambda: server.execute('SHOW transaction_read_only') == [(value,)],
            'the settings',
        )

    def tokens(self, server: PostgreSQL) -> int:
        ((number,),) = server.execute(
            'SELECT COUNT(*) FROM console_auth_tokens', 'd1'
        )
        return number
