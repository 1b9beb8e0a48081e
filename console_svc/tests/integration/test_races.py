# SPDX-License-Identifier: Apache-2.0

"""Processes that do the same at the same moment, on real databases."""

import atexit
import functools
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
import testtools

from console_svc import audit, compute
from console_svc import conf as configuration
from console_svc.consoles.native.consoles import NativeConsoles
from console_svc.consoles.purge import purge
from console_svc.consoles.tokens import ConsoleAuthTokens
from console_svc.context import everybody
from console_svc.db import migration, tables
from console_svc.db.database import Database
from console_svc.objects import Console
from console_svc.tests import fixtures
from console_svc.tests.integration.databases import (
    OnDatabase,
    OnMariaDB,
    OnPostgreSQL,
    OnSQLite,
)
from console_svc.tests.integration.racer import password_file

RACERS = 8

#: Of which each has a console.
SERVERS = [f'00000000-0000-4000-8000-{number:012}' for number in range(4)]


@functools.cache
def racers() -> list[subprocess.Popen[str]]:
    """The processes of all races of a run; they end with the run."""
    started = [
        subprocess.Popen(
            [sys.executable, '-m', 'console_svc.tests.integration.racer'],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(RACERS)
    ]
    atexit.register(end, started)
    return started


def end(started: list[subprocess.Popen[str]]) -> None:
    """Their input ends, and so do they."""
    for racer in started:
        racer.communicate()


class Races(OnDatabase):
    #: How often a race is run whose loser is a matter of microseconds.
    ROUNDS = 5

    def race(
        self,
        configured: fixtures.Configuration,
        *orders: Sequence[Any],
    ) -> Counter[str]:
        """What came of it, and how often.

        :param orders: an action and its arguments, one a racer
        """
        running = list(zip(racers(), orders, strict=False))
        self.assertEqual(len(orders), len(running))
        for racer, order in running:
            self.tell(racer, json.dumps([str(configured.file), *order]))
        for racer, _ in running:
            self.assertEqual('ready\n', racer.stdout.readline())
        for racer, _ in running:
            self.tell(racer, 'go')
        return Counter(racer.stdout.readline().strip() for racer, _ in running)

    def tell(self, racer: subprocess.Popen[str], line: str) -> None:
        racer.stdin.write(f'{line}\n')
        racer.stdin.flush()

    def issue(
        self, configured: fixtures.Configuration, number: int
    ) -> list[str]:
        """Tokens of one server."""
        driver = compute.load(configured.conf)
        tokens = ConsoleAuthTokens(
            configured.conf, configured.database, driver, audit.Audit()
        )
        server = driver.get_server(everybody(), fixtures.SERVER)
        return [
            tokens.issue(everybody(), server, 'novnc') for _ in range(number)
        ]

    def count(
        self, configured: fixtures.Configuration, table: sa.Table
    ) -> int:
        with configured.database.engine.connect() as connection:
            return connection.execute(
                sa.select(sa.func.count()).select_from(table)
            ).scalar_one()

    def clear(self, configured: fixtures.Configuration) -> None:
        """Another round begins."""
        with configured.database.engine.begin() as connection:
            for table in (
                tables.consoles,
                tables.console_auth_tokens,
                tables.console_sessions,
            ):
                connection.execute(table.delete())

    def test_creates_leave_one_console_with_the_drivers_password(
        self,
    ) -> None:
        configured = self.configuration()
        driver = compute.load(configured.conf)
        consoles = self.consoles(configured)
        server = driver.get_server(everybody(), fixtures.SERVER)
        for _ in range(self.ROUNDS):
            self.clear(configured)
            came = self.race(configured, *[['console']] * RACERS)
            self.assertEqual({'done': RACERS}, came)
            (row,) = consoles.list(server)
            self.assertEqual(
                password_file(configured.folder).read_text(),
                consoles.get(server, row['id']).password,
            )

    def gateway(self, **consoles: Any) -> fixtures.Configuration:
        """Consoles are on the gateway."""
        configured = self.configuration(
            {
                'consoles': {'mode': 'gateway', **consoles},
                'rfb': {'max_failures': 5},
            }
        )
        document = fixtures.inventory()
        document['servers'] = [
            {**document['servers'][0], 'id': server}
            for server in (fixtures.SERVER, *SERVERS)
        ]
        configured.write_inventory(document)
        return configured

    def consoles(self, configured: fixtures.Configuration) -> NativeConsoles:
        driver = compute.load(configured.conf)
        return NativeConsoles(
            configured.conf,
            configured.database,
            driver,
            ConsoleAuthTokens(
                configured.conf, configured.database, driver, audit.Audit()
            ),
        )

    def console(self, configured: fixtures.Configuration) -> Console:
        """Open the console of a server."""
        driver = compute.load(configured.conf)
        consoles = self.consoles(configured)
        server = driver.get_server(everybody(), fixtures.SERVER)
        consoles.open(everybody(), server)
        (row,) = consoles.list(server)
        return consoles.get(server, row['id'])

    def test_creates_on_the_gateway_never_share_a_port(self) -> None:
        configured = self.gateway(port_range='5901-5903')
        for _ in range(self.ROUNDS):
            self.clear(configured)
            came = self.race(
                configured, *[['console', server] for server in SERVERS * 2]
            )
            # A port less than there are servers.
            self.assertEqual({'done': 6, 'ServiceUnavailable': 2}, came)
            rows = configured.database.list_gateway_ports()
            self.assertEqual(
                [5901, 5902, 5903], sorted(it['gateway_port'] for it in rows)
            )
            self.assertEqual(
                3, self.count(configured, tables.console_auth_tokens)
            )

    def test_guesses_at_once_are_no_more_than_may_be(self) -> None:
        configured = self.gateway()
        for _ in range(self.ROUNDS):
            self.clear(configured)
            self.console(configured)
            came = self.race(configured, *[['log_in', 'guess']] * RACERS)
            self.assertEqual(
                {'AuthenticationFailed': 4, 'ConsoleLocked': RACERS - 4}, came
            )

    def test_one_logs_in_with_a_password_for_a_single_use(self) -> None:
        configured = self.gateway(native_max_uses=1)
        for _ in range(self.ROUNDS):
            self.clear(configured)
            password = self.console(configured).password
            # No more than may fail: each is counted until it has not.
            came = self.race(configured, *[['log_in', password]] * 4)
            self.assertEqual({'done': 1, 'ConsoleUsedUp': 3}, came)

    def test_one_uses_a_token_for_a_single_use(self) -> None:
        configured = self.configuration(max_uses=1)
        for _ in range(self.ROUNDS):
            self.clear(configured)
            (token,) = self.issue(configured, 1)
            came = self.race(configured, *[['session', token]] * RACERS)
            self.assertEqual({'done': 1, 'TokenUsedUp': RACERS - 1}, came)
            self.assertEqual(
                1, self.count(configured, tables.console_sessions)
            )

    def test_a_limit_of_sessions_holds(self) -> None:
        configured = self.configuration(max_sessions_per_server=2)
        for _ in range(self.ROUNDS):
            self.clear(configured)
            tokens = self.issue(configured, RACERS)
            came = self.race(
                configured, *[['session', token] for token in tokens]
            )
            self.assertEqual({'done': 2, 'TooManySessions': RACERS - 2}, came)
            self.assertEqual(
                2, self.count(configured, tables.console_sessions)
            )

    def test_or_the_newest_win(self) -> None:
        configured = self.configuration(
            max_sessions_per_server=2, when_sessions_are_full='replace'
        )
        for _ in range(self.ROUNDS):
            self.clear(configured)
            tokens = self.issue(configured, RACERS)
            came = self.race(
                configured, *[['session', token] for token in tokens]
            )
            self.assertEqual({'done': RACERS}, came)
            self.assertEqual(
                2, self.count(configured, tables.console_sessions)
            )

    def test_no_session_outlives_a_revoked_token(self) -> None:
        for limit in (0, RACERS):
            configured = self.configuration(max_sessions_per_server=limit)
            for _ in range(self.ROUNDS):
                self.clear(configured)
                tokens = self.issue(configured, RACERS - 2)
                came = self.race(
                    configured,
                    *[['session', token] for token in tokens],
                    *[['revoke']] * 2,
                )
                self.assertLessEqual(
                    came.keys(), {'done', 'TokenNotFound', 'TokenUsedUp'}
                )
                self.assertEqual(
                    0, self.count(configured, tables.console_auth_tokens)
                )
                self.assertEqual(
                    0, self.count(configured, tables.console_sessions)
                )

    def test_the_purge_beside_issue_and_look_up(self) -> None:
        configured = self.configuration(recheck_target=False)
        number = 20
        came = self.race(
            configured, *[['issue', number]] * 5, *[['purge', number]] * 3
        )
        self.assertEqual({'done': RACERS}, came)
        purge(configured.database, audit.Audit(), int(time.time()))
        self.assertEqual(
            5 * number, self.count(configured, tables.console_auth_tokens)
        )

    def test_one_takes_a_lease_an_interval(self) -> None:
        configured = self.configuration()
        for round_ in range(self.ROUNDS):
            now = 1_000_000 + round_ * 60
            came = self.race(configured, *[['lease', now]] * 4)
            self.assertEqual({'done': 1, 'LookupError': 3}, came)

    def test_migrations_end_well(self) -> None:
        file = self.empty()
        database = Database(configuration.load(files=[str(file)]))
        self.addCleanup(database.dispose)
        for _ in range(2):
            configured = self.useFixture(fixtures.Configuration())
            configured.file = file
            came = self.race(configured, *[['sync']] * RACERS)
            self.assertEqual({'done': RACERS}, came)
            self.assertEqual(migration.head(), migration.version(database))


class SQLiteRaces(OnSQLite, Races, testtools.TestCase):
    pass


class MariaDBRaces(OnMariaDB, Races, testtools.TestCase):
    pass


class PostgreSQLRaces(OnPostgreSQL, Races, testtools.TestCase):
    pass
