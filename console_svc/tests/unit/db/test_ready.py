# SPDX-License-Identifier: Apache-2.0

"""The connections that stay ready, on a pool as servers have it."""

import os
from collections.abc import Sequence
from typing import Any
from unittest import mock

import fixtures
import sqlalchemy as sa
import testtools

from console_svc.db.ready import ReadyConnections

_QUERY = sa.select(sa.literal(1).label('number'))
_WRONG: sa.Select[Any] = sa.select(sa.column('a')).select_from(
    sa.table('missing')
)


class ReadyConnectionsTest(testtools.TestCase):
    def use(self, recycle: float = 60, **options: Any) -> None:
        """Use a database, and count what happens to its connections."""
        folder = self.useFixture(fixtures.TempDir()).path
        self.engine = sa.create_engine(
            f'sqlite:///{folder}/database', poolclass=sa.QueuePool, **options
        )
        self.ready = ReadyConnections(lambda: self.engine, recycle)
        self.addCleanup(self.dispose)
        self.counts = {'connect': 0, 'checkout': 0, 'close': 0}
        for name in self.counts:
            self.count(name)

    def count(self, event: str) -> None:
        def happened(*arguments: object) -> None:
            self.counts[event] += 1

        sa.event.listen(self.engine, event, happened)

    def dispose(self) -> None:
        self.engine.dispose()
        self.ready.close()

    def execute(self, query: sa.Select[Any]) -> Sequence[Any]:
        with self.ready.connection() as connection, connection.begin():
            return connection.execute(query).all()

    def read(self, times: int = 1) -> None:
        for _ in range(times):
            self.assertEqual([(1,)], self.execute(_QUERY))

    def during_a_read(self, action: Any) -> None:
        """Do something while a connection is in use."""

        def act(*arguments: object) -> None:
            action()

        self.dispose()
        sa.event.listen(self.engine, 'before_cursor_execute', act, once=True)
        self.read()

    def check(self, connect: int, checkout: int, close: int) -> None:
        self.assertEqual(
            {'connect': connect, 'checkout': checkout, 'close': close},
            self.counts,
        )

    def test_reads_share_a_connection(self) -> None:
        self.use()
        self.read(3)
        self.check(connect=1, checkout=1, close=0)

    def test_a_failed_read_checks_its_connection_in(self) -> None:
        self.use()
        for _ in range(3):
            self.assertRaises(sa.exc.OperationalError, self.execute, _WRONG)
        self.check(connect=1, checkout=3, close=0)

    def test_what_fails_is_rolled_back(self) -> None:
        self.use()
        table = sa.Table('t', sa.MetaData(), sa.Column('c', sa.Integer))
        table.create(self.engine)
        with (
            testtools.ExpectedException(ZeroDivisionError),
            self.ready.connection() as connection,
            connection.begin(),
        ):
            connection.execute(table.insert().values(c=1))
            raise ZeroDivisionError
        self.assertEqual([], self.execute(sa.select(table)))

    def test_nothing_is_rolled_back_after_a_commit(self) -> None:
        self.use()
        # SQLAlchemy rolls its first connection back once.
        self.read()
        rollbacks = self.useFixture(
            fixtures.MockPatchObject(self.engine.dialect, 'do_rollback')
        ).mock
        self.read(2)
        rollbacks.assert_not_called()

    def test_a_lost_connection_closes_all_others(self) -> None:
        self.use()
        self.during_a_read(self.read)

        def lose(context: sa.engine.ExceptionContext) -> None:
            context.is_disconnect = True

        sa.event.listen(self.engine, 'handle_error', lose)
        self.assertRaises(sa.exc.OperationalError, self.execute, _WRONG)
        self.assertEqual(0, self.engine.pool.checkedout())
        self.read()

    def test_connections_expire(self) -> None:
        self.use(recycle=0)
        self.read(2)
        self.check(connect=2, checkout=2, close=1)

    def test_connections_without_a_limit_do_not_expire(self) -> None:
        self.use(recycle=-1)
        self.read(2)
        self.check(connect=1, checkout=1, close=0)

    def test_idle_connections_are_disposed_of(self) -> None:
        self.use()
        self.during_a_read(self.read)
        self.check(connect=2, checkout=2, close=0)
        self.dispose()
        self.check(connect=2, checkout=2, close=2)

    def test_a_connection_in_use_is_disposed_of_afterwards(self) -> None:
        self.use()
        self.during_a_read(self.dispose)
        self.check(connect=1, checkout=1, close=1)
        self.read()
        self.check(connect=2, checkout=2, close=1)

    def test_a_forked_process_does_not_close_connections(self) -> None:
        self.use()
        self.read()
        parent = os.getpid()
        with mock.patch.object(os, 'getpid', lambda: parent + 1):
            self.read()
            self.check(connect=2, checkout=2, close=0)

    def test_no_thread_waits_for_an_idle_connection(self) -> None:
        self.use(pool_size=1, max_overflow=0, pool_timeout=1)
        self.read()
        with self.engine.connect():
            pass
