# SPDX-License-Identifier: Apache-2.0

"""Processes that do the same at the same second, on real databases."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

import sqlalchemy as sa
import testtools

from console_svc import audit, compute
from console_svc.consoles.housekeeping import everybody
from console_svc.consoles.tokens import ConsoleAuthTokens
from console_svc.db import migration, models
from console_svc.tests import fixtures
from console_svc.tests.integration import process
from console_svc.tests.integration.mariadb import MariaDB

MARIADB = MariaDB()


def setUpModule() -> None:
    MARIADB.setUp()


def tearDownModule() -> None:
    MARIADB.cleanUp()


class Races:
    """On whichever database :meth:`database` names."""

    RACERS: ClassVar[int] = 8

    def database(self) -> dict[str, Any]:
        """[database]"""
        raise NotImplementedError

    def configuration(self, **consoleauth: Any) -> fixtures.Configuration:
        return self.useFixture(
            fixtures.Configuration(
                consoleauth=consoleauth, database=self.database()
            )
        )

    def race(
        self,
        configuration: fixtures.Configuration,
        what: str,
        arguments: Sequence[str] = (),
    ) -> Counter[str]:
        """What came of it, and how often.

        :param arguments: one for each racer
        """
        at = time.time() + 4
        racers = [
            subprocess.Popen(
                [
                    *(sys.executable, '-m'),
                    'console_svc.tests.integration.racer',
                    *(str(configuration.file), str(at), what, *more),
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            for more in ([[word] for word in arguments] or [[]] * self.RACERS)
        ]
        return Counter(
            racer.communicate(timeout=process.PATIENCE)[0].strip()
            for racer in racers
        )

    def issue(
        self, configuration: fixtures.Configuration, number: int
    ) -> list[str]:
        """Tokens of one server."""
        driver = compute.load(configuration.conf)
        tokens = ConsoleAuthTokens(
            configuration.conf,
            configuration.database,
            driver,
            audit.Audit(),
        )
        server = driver.get_server(everybody(), fixtures.SERVER)
        return [
            tokens.issue(everybody(), server, 'novnc') for _ in range(number)
        ]

    def count(
        self, configuration: fixtures.Configuration, table: sa.Table
    ) -> int:
        with configuration.database.engine.connect() as connection:
            return connection.execute(
                sa.select(sa.func.count()).select_from(table)
            ).scalar_one()

    def test_creates_leave_one_console(self) -> None:
        configuration = self.configuration()
        came = self.race(configuration, 'console')
        self.assertEqual({'done': self.RACERS}, came)
        self.assertEqual(1, self.count(configuration, models.consoles))

    def test_one_uses_a_token_for_a_single_use(self) -> None:
        configuration = self.configuration(max_uses=1)
        (token,) = self.issue(configuration, 1)
        came = self.race(configuration, 'session', [token] * self.RACERS)
        self.assertEqual({'done': 1, 'TokenUsedUp': self.RACERS - 1}, came)
        self.assertEqual(1, self.count(configuration, models.console_sessions))

    def test_a_limit_of_sessions_holds(self) -> None:
        configuration = self.configuration(max_sessions_per_server=2)
        tokens = self.issue(configuration, self.RACERS)
        came = self.race(configuration, 'session', tokens)
        self.assertEqual({'done': 2, 'TooManySessions': self.RACERS - 2}, came)
        self.assertEqual(2, self.count(configuration, models.console_sessions))

    def test_or_the_newest_win(self) -> None:
        configuration = self.configuration(
            max_sessions_per_server=2, when_sessions_are_full='replace'
        )
        tokens = self.issue(configuration, self.RACERS)
        came = self.race(configuration, 'session', tokens)
        self.assertEqual({'done': self.RACERS}, came)
        self.assertEqual(2, self.count(configuration, models.console_sessions))

    def test_one_takes_a_lease(self) -> None:
        configuration = self.configuration()
        now = str(int(time.time()))
        came = self.race(configuration, 'lease', [now] * self.RACERS)
        self.assertEqual({'done': 1, 'LookupError': self.RACERS - 1}, came)

    def test_syncs_end_well(self) -> None:
        configuration = self.configuration()
        with configuration.database.engine.begin() as connection:
            models.metadata.drop_all(connection)
            connection.execute(sa.text('DROP TABLE alembic_version'))
        came = self.race(configuration, 'sync')
        self.assertEqual({'done': self.RACERS}, came)
        self.assertEqual(
            migration.head(), migration.version(configuration.database)
        )


class SQLiteRaces(Races, testtools.TestCase):
    def database(self) -> dict[str, Any]:
        return {}


class MariaDBRaces(Races, testtools.TestCase):
    def database(self) -> dict[str, Any]:
        return {'connection': MARIADB.database(f'd{time.time_ns()}')}
