# SPDX-License-Identifier: Apache-2.0

"""Connections that stay ready between uses."""

import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import sqlalchemy as sa


class _Ready(NamedTuple):
    """A connection of SQLAlchemy.

    :param pool: the pool that it is checked out of
    :param pid: the process that has opened it
    :param expires: when it must be checked in, by the monotonic clock
    """

    connection: sa.Connection
    pool: sa.Pool
    pid: int
    expires: float


class ReadyConnections:
    """Connections that are not checked in after each use.

    To check a connection out and in again takes about as long as a SELECT
    by its primary key. After a transaction it is also a round trip, as
    SQLAlchemy sends a ROLLBACK even after a COMMIT.

    :param engine: makes the engine, or returns it
    :param recycle: seconds for which a connection is kept at most; negative:
        no limit
    """

    def __init__(
        self, engine: Callable[[], sa.Engine], recycle: float
    ) -> None:
        self._engine = engine
        self._recycle = recycle if recycle >= 0 else math.inf
        # Used like a stack, so that the surplus of a burst expires.
        self._idle: deque[_Ready] = deque()

    @contextmanager
    def connection(self) -> Iterator[sa.Connection]:
        """A connection, for statements in autocommit mode or a transaction.

        The transaction must end with the context. After an exception, the
        connection is checked in.
        """
        ready = self._take()
        connection = ready.connection
        try:
            yield connection
        except BaseException:
            if connection.invalidated:
                # The others have probably been lost with it.
                self.close()
            connection.close()
            raise
        if self._is_needed(ready):
            self._idle.append(ready)
        else:
            self._check_in(ready)

    def close(self) -> None:
        """Check all idle connections in."""
        while (ready := self._pop()) is not None:
            self._check_in(ready)

    def _take(self) -> _Ready:
        now = time.monotonic()
        while (ready := self._pop()) is not None:
            if self._is_current(ready) and now < ready.expires:
                return ready
            self._check_in(ready)
        engine = self._engine()
        pool = engine.pool
        return _Ready(engine.connect(), pool, os.getpid(), now + self._recycle)

    def _pop(self) -> _Ready | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _is_current(self, ready: _Ready) -> bool:
        """Whether a connection is this process's, and not disposed of."""
        return ready.pool is self._engine().pool and ready.pid == os.getpid()

    def _is_needed(self, ready: _Ready) -> bool:
        """Whether a connection stays checked out.

        It is checked in if another thread might wait for one of the pool.
        """
        pool = ready.pool
        return (
            self._is_current(ready)
            and isinstance(pool, sa.QueuePool)
            and pool.checkedout() < pool.size()
        )

    def _check_in(self, ready: _Ready) -> None:
        if ready.pid == os.getpid() and not self._is_current(ready):
            # Nothing else closes a connection whose pool was disposed of.
            ready.connection.invalidate()
        ready.connection.close()
