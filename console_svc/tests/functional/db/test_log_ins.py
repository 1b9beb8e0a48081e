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
        self, client: str = 'b', now: int = NOW, challenge: str | None = None
    ) -> tuple[bool, FailedLogIns]:
        """Count a failure; 3 lock the client, and 5 the console."""
        self.number += 1
        return self.queries.count_failure(
            attempt(challenge or f'{self.number}', client),
            now,
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
        self.queries.reset_failures(attempt('x', 'b'))
        self.check(True, 1, 0, now=NOW + 60)

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
                self.queries.count_failure(
                    attempt(f'{name}{number}', 'x', name, NOW + 10**6),
                    NOW,
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


class SQLiteLogIns(OnSQLite, LogIns, testtools.TestCase):
    def test_rows_are_reset_in_one_order(self) -> None:
        """Concurrent log-ins would deadlock otherwise."""
        written: list[tuple[Any, ...]] = []

        def record(
            connection: sa.Connection,
            cursor: object,
            statement: str,
            parameters: tuple[Any, ...],
            *more: object,
        ) -> None:
            if statement.startswith('UPDATE log_in_failures'):
                written.append(parameters)

        sa.event.listen(self.database.engine, 'before_cursor_execute', record)
        for client, subjects in (
            ('a', ['a', 'console']),
            ('z', ['console', 'z']),
        ):
            self.count(challenge=client, client=client)
            written.clear()
            self.queries.reset_failures(attempt(client, client))
            self.assertEqual(subjects, [key for *_, key in written])
