# SPDX-License-Identifier: Apache-2.0

"""Queries of log-ins: failures in a row, and challenges that were used."""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from console_svc.db import rows
from console_svc.db.engine import Connections, retried
from console_svc.db.tables import (
    console_auth_tokens,
    log_in_failures,
    used_challenges,
)
from console_svc.objects import FailedLogIns, LogInAttempt

# Seconds for which failures are remembered after the last one, at least.
_MEMORY: Final = 3600


class LogInQueries:
    """Counts failed log-ins, and accepts each challenge once."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @retried
    def record(
        self,
        attempt: LogInAttempt,
        now: int,
        *,
        is_right: bool,
        max_failures: int,
        max_failures_per_console: int,
        lock_time: int,
    ) -> tuple[bool, FailedLogIns]:
        """Use a challenge up, and count its log-in.

        A failure counts for the console and the address, and for the console;
        a success resets both. Neither does anything if one of them is locked.
        Concurrent log-ins to a console wait for each other.

        :param now: seconds of the UTC epoch
        :param is_right: whether the log-in succeeds unless it is locked
        :param max_failures: this many lock the console for the address
        :param max_failures_per_console: this many lock the console
        :param lock_time: seconds of a lock; it resets the count
        :returns: whether nothing was locked, and the failures from the
            address now; its lock is that of the console if that ends later
        :raises oslo_db.exception.DBDuplicateEntry: the challenge was used
            before
        """
        limits = {
            attempt.client_hash: max_failures,
            attempt.target_hash: max_failures_per_console,
        }
        expires = now + max(lock_time, _MEMORY)
        with self._connections.writing() as connection:
            connection.execute(
                _INSERT,
                {
                    'digest': attempt.challenge_hash,
                    'token_hash': attempt.token_hash,
                    'expires': attempt.expires or expires,
                },
            )
            before = _lock(connection, sorted(limits), expires)
            is_open = all(it.locked_until <= now for it in before.values())
            after = before
            if is_open:
                after = {
                    subject: FailedLogIns(0, 0)
                    if is_right
                    else _one_more(
                        before[subject].failures, limit, now + lock_time
                    )
                    for subject, limit in limits.items()
                }
            for subject, failed in after.items():
                if failed != before[subject]:
                    connection.execute(
                        _COUNT,
                        {
                            'key': subject,
                            'number': failed.failures,
                            'until': failed.locked_until,
                        },
                    )
        return is_open, FailedLogIns(
            after[attempt.client_hash].failures,
            max(it.locked_until for it in after.values()),
        )

    @retried
    def purge_failures(self, now: int, batch: int) -> int:
        """Delete failures that are not remembered any more, at most a batch.

        :param now: seconds of the UTC epoch
        :returns: the number of rows found
        """
        columns = log_in_failures.c
        return rows.purge(
            self._connections, columns.subject, columns.expires, now, batch
        )

    @retried
    def purge_challenges(self, now: int, batch: int) -> int:
        """Delete challenges whose console has expired, at most a batch.

        :param now: seconds of the UTC epoch
        :returns: the number of rows found
        """
        columns = used_challenges.c
        return rows.purge(
            self._connections, columns.digest, columns.expires, now, batch
        )

    @retried
    def purge_challenges_of_closed_consoles(
        self, after: str, limit: int
    ) -> str | None:
        """Delete challenges of consoles that do not exist any more.

        :param after: the last token hash of the previous page; '' for the
            first page
        :param limit: consoles of a page
        :returns: the last token hash of this page; None: there are no more
        """
        column = used_challenges.c.token_hash
        page: list[str] = [
            row['token_hash']
            for row in self._connections.read(
                sa.select(column)
                .where(column > after)
                .group_by(column)
                .order_by(column)
                .limit(limit)
            )
        ]
        if not page:
            return None
        tokens = console_auth_tokens.c.token_hash
        found = self._connections.read(
            sa.select(tokens).where(tokens.in_(page))
        )
        gone = set(page) - {row['token_hash'] for row in found}
        if gone:
            with self._connections.writing() as connection:
                connection.execute(
                    used_challenges.delete().where(column.in_(sorted(gone)))
                )
        return page[-1]


def _lock(
    connection: sa.Connection, subjects: Sequence[str], expires: int
) -> dict[str, FailedLogIns]:
    """Lock the rows of subjects until the transaction ends.

    :param subjects: in the order in which every transaction locks them
    """
    dialect = connection.dialect
    new = [
        {
            'subject': subject,
            'failures': 0,
            'locked_until': 0,
            'expires': expires,
        }
        for subject in subjects
    ]
    if dialect.insert_returning:
        found = connection.execute(_LOCKS[dialect.name], new)
    else:
        # MySQL.
        connection.execute(_UPSERTS[dialect.name], new)
        found = connection.execute(_FAILURES, {'subjects': subjects})
    return {subject: FailedLogIns(*failed) for subject, *failed in found}


def _one_more(failures: int, limit: int, locked_until: int) -> FailedLogIns:
    if failures + 1 >= limit:
        return FailedLogIns(0, locked_until)
    return FailedLogIns(failures + 1, 0)


# Statements of the request path are module-level: SQLAlchemy finds the
# compiled form of the same object faster than that of an equal one.
_INSERT: Final = used_challenges.insert()

_UPSERTS: Final = rows.upserts(log_in_failures, 'expires')

_FAILED: Final = (
    log_in_failures.c.subject,
    log_in_failures.c.failures,
    log_in_failures.c.locked_until,
)

# One statement instead of two.
_LOCKS: Final = {
    dialect: upsert.returning(*_FAILED) for dialect, upsert in _UPSERTS.items()
}

_FAILURES: Final = (
    sa.select(*_FAILED)
    .where(
        log_in_failures.c.subject.in_(sa.bindparam('subjects', expanding=True))
    )
    # On MySQL, a plain SELECT might not see the latest rows.
    .with_for_update()
)

_COUNT: Final = (
    log_in_failures.update()
    .where(log_in_failures.c.subject == sa.bindparam('key'))
    .values(
        failures=sa.bindparam('number'), locked_until=sa.bindparam('until')
    )
)
