# SPDX-License-Identifier: Apache-2.0

"""Connections that stay ready between uses."""

import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import sqlalchemy as sa


class _Ready(NamedTuple):
    """A connection of SQLAlchemy.

    :param pool: the pool that it is checked out of
    :param pid: the process that has opened it
    :param expires: when it must be replaced, by the monotonic clock
    """

    connection: sa.Connection
    pool: sa.Pool
    pid: int
    expires: float


# Connections of the parent process. They must not be collected, as what is
# sent then would get between two messages of the parent.
_INHERITED: Final[list[_Ready]] = []


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
        if not self._is_current(ready):
            _close(ready)
        elif _is_needed(ready):
            self._idle.append(ready)
        else:
            connection.close()

    def close(self) -> None:
        """Close all idle connections."""
        while (ready := self._pop()) is not None:
            _close(ready)

    def _take(self) -> _Ready:
        now = time.monotonic()
        while (ready := self._pop()) is not None:
            if self._is_current(ready) and now < ready.expires:
                return ready
            _close(ready)
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


def _is_needed(ready: _Ready) -> bool:
    """Whether a connection stays checked out.

    It is checked in if another thread might wait for one of the pool.
    """
    pool = ready.pool
    return isinstance(pool, sa.QueuePool) and pool.checkedout() < pool.size()


def _close(ready: _Ready) -> None:
    """Close a connection that is not in use.

    To check it in would send a ROLLBACK to a server that may be gone, or into
    a pool that was disposed of.
    """
    if ready.pid == os.getpid():
        ready.connection.invalidate()
        ready.connection.close()
    else:
        _INHERITED.append(ready)
