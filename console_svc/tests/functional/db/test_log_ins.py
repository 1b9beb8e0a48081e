# SPDX-License-Identifier: Apache-2.0

"""Queries of log-ins."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
import testtools
from oslo_db import exception as db_exception

from console_svc.db import tables
from console_svc.objects import FailedLogIns, LogInAttempt
from console_svc.tests.functional.db.base import (
    NOW,
    OnSQLite,
    Queries,
    console,
    token,
)


class LogIns(Queries):
    def setUp(self) -> None:
        super().setUp()
        self.queries = self.database.log_ins
        self.number = 0

    def count(
        self,
        client: str = 'b',
        now: int = NOW,
        challenge: str | None = None,
        is_right: bool = False,
    ) -> tuple[bool, FailedLogIns]:
        """Count a log-in; 3 failures lock the client, and 5 the console."""
        self.number += 1
        return self.queries.record(
            attempt(challenge or f'{self.number}', client),
            now,
            is_right=is_right,
            max_failures=3,
            max_failures_per_console=5,
            lock_time=60,
        )

    def check(
        self, counted: bool, failures: int, locked_until: int, now: int
    ) -> None:
        self.assertEqual(
            (counted, FailedLogIns(failures, locked_until)),
            self.count(now=now),
        )

    def subjects(self) -> Sequence[str]:
        return self.keys(tables.log_in_failures.c.subject)

    def challenges(self) -> Sequence[str]:
        return self.keys(tables.used_challenges.c.digest)

    def keys(self, column: sa.Column[str]) -> Sequence[str]:
        query = sa.select(column).order_by(column)
        with self.database.engine.connect() as connection:
            return connection.execute(query).scalars().all()

    def test_failures_are_counted_and_lock_the_client(self) -> None:
        self.check(True, 1, 0, now=NOW)
        self.check(True, 2, 0, now=NOW)
        self.check(True, 0, NOW + 60, now=NOW)
        self.check(False, 0, NOW + 60, now=NOW + 59)
        self.check(True, 1, 0, now=NOW + 60)
        reset = (True, FailedLogIns(0, 0))
        for _ in range(2):
            self.assertEqual(reset, self.count(now=NOW + 60, is_right=True))
        self.check(True, 1, 0, now=NOW + 60)

    def test_success_ends_no_lock(self) -> None:
        for _ in range(3):
            self.count()
        locked = (False, FailedLogIns(0, NOW + 60))
        self.assertEqual(locked, self.count(now=NOW + 59, is_right=True))
        self.assertEqual(locked, self.count(now=NOW + 59))

    def test_success_resets_its_address_and_the_console(self) -> None:
        for client in 'a', 'a', 'c':
            self.count(client)
        self.count('c', is_right=True)
        # Otherwise, the second would be the fifth at the console.
        for failures in 1, 2:
            self.assertEqual(
                (True, FailedLogIns(failures, 0)), self.count('c')
            )
        # That of the other address stays.
        self.assertEqual((True, FailedLogIns(0, NOW + 60)), self.count('a'))

    def test_success_without_failures_counts_nothing(self) -> None:
        written: list[str] = []

        def record(*arguments: Any) -> None:
            if arguments[2].startswith('UPDATE'):
                written.append(arguments[2])

        sa.event.listen(self.database.engine, 'before_cursor_execute', record)
        for _ in range(2):
            self.count(is_right=True)
        self.assertEqual([], written)
        self.count()
        self.count(is_right=True)
        self.assertEqual(4, len(written))

    def test_failures_of_clients_together_lock_the_console(self) -> None:
        # One subject sorts before the console, the other after it.
        for client in 'a', 'c', 'a', 'c':
            self.assertEqual(0, self.count(client)[1].locked_until)
        locked = FailedLogIns(1, NOW + 60)
        self.assertEqual((True, locked), self.count('b'))
        self.assertEqual((False, locked), self.count('b', NOW + 1))
        # Refused log-ins were not counted.
        self.assertEqual(
            (True, FailedLogIns(0, NOW + 120)), self.count('a', NOW + 60)
        )

    def test_a_challenge_is_used_once(self) -> None:
        self.count(challenge='x')
        for client in 'b', 'c':
            self.assertRaises(
                db_exception.DBDuplicateEntry,
                self.count,
                client,
                challenge='x',
            )
        # The second use is not counted.
        self.check(True, 2, 0, now=NOW)
        self.assertEqual(['b', 'console'], self.subjects())

    def test_purge_deletes_what_has_expired(self) -> None:
        self.count('b')
        self.count('c', NOW + 1)
        after = NOW + 3600
        self.assertEqual(0, self.queries.purge_failures(after - 1, 10))
        self.assertEqual(1, self.queries.purge_failures(after, 10))
        self.assertEqual(['c', 'console'], self.subjects())
        self.assertEqual(1, self.queries.purge_challenges(after, 10))
        self.assertEqual(['2'], self.challenges())
        self.assertEqual(1, self.queries.purge_failures(after + 1, 1))
        self.assertEqual(1, len(self.subjects()))

    def test_purge_deletes_challenges_of_closed_consoles(self) -> None:
        for name in 'a', 'b', 'c':
            self.database.native_consoles.create_on_gateway(
                console(name, token_hash=name),
                token(name, server_id=name),
                NOW,
            )
            for number in range(2):
                self.queries.record(
                    attempt(f'{name}{number}', 'x', name, NOW + 10**6),
                    NOW,
                    is_right=False,
                    max_failures=3,
                    max_failures_per_console=5,
                    lock_time=60,
                )
        self.count(challenge='absent')
        self.database.native_consoles.delete_on_gateway('b')
        after: str | None = ''
        pages = []
        while after is not None:
            after = self.queries.purge_challenges_of_closed_consoles(after, 2)
            pages.append(after)
        self.assertEqual(['b', 'c', None], pages)
        self.assertEqual(['a0', 'a1', 'absent', 'c0', 'c1'], self.challenges())


def attempt(
    challenge: str,
    client: str,
    token_hash: str | None = None,
    expires: int | None = None,
) -> LogInAttempt:
    return LogInAttempt(
        challenge_hash=challenge,
        target_hash='console',
        client_hash=client,
        token_hash=token_hash,
        expires=expires,
    )


class LogInsLikeMySQL(LogIns):
    """On a database as if it had no INSERT ... RETURNING."""

    def setUp(self) -> None:
        super().setUp()
        self.database.engine.dialect.insert_returning = False


class SQLiteLogInsLikeMySQL(OnSQLite, LogInsLikeMySQL, testtools.TestCase):
    pass


class SQLiteLogIns(OnSQLite, LogIns, testtools.TestCase):
    def test_rows_are_locked_in_one_order(self) -> None:
        """Concurrent log-ins would deadlock otherwise."""
        locked: list[str] = []

        def record(
            connection: sa.Connection,
            cursor: object,
            statement: str,
            parameters: tuple[Any, ...],
            *more: object,
        ) -> None:
            if statement.startswith('INSERT INTO log_in_failures'):
                # Two rows of four columns.
                locked.extend(parameters[::4])

        sa.event.listen(self.database.engine, 'before_cursor_execute', record)
        for client, subjects in (
            ('a', ['a', 'console']),
            ('z', ['console', 'z']),
        ):
            for is_right in False, True:
                locked.clear()
                self.count(client=client, is_right=is_right)
                self.assertEqual(subjects, locked)
