# SPDX-License-Identifier: Apache-2.0

"""Connections for single SELECTs, which stay ready between them."""

import math
import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa


class _Reader(NamedTuple):
    """A connection of SQLAlchemy.

    :param pool: the pool that it is checked out of
    :param pid: the process that has opened it
    :param expires: when it must be checked in, by the monotonic clock
    """

    connection: sa.Connection
    pool: sa.Pool
    pid: int
    expires: float


class Readers:
    """Executes SELECTs on connections that are not checked in after each.

    To check a connection out and in again takes about as long as a SELECT
    by its primary key.

    :param engine: makes the engine, in autocommit mode, or returns it
    :param recycle: seconds for which a connection is kept at most; negative:
        no limit
    """

    def __init__(
        self, engine: Callable[[], sa.Engine], recycle: float
    ) -> None:
        self._engine = engine
        self._recycle = recycle if recycle >= 0 else math.inf
        # Used like a stack, so that the surplus of a burst expires.
        self._idle: deque[_Reader] = deque()

    def rows(
        self,
        query: sa.Select[Any],
        parameters: Mapping[str, Any] | None = None,
    ) -> Sequence[sa.RowMapping]:
        """The rows that one SELECT finds."""
        reader = self._take()
        connection = reader.connection
        try:
            rows = connection.execute(query, parameters).mappings().all()
        except BaseException:
            if connection.invalidated:
                # The others have probably been lost with it.
                self.close()
            connection.close()
            raise
        if self._is_needed(reader):
            self._idle.append(reader)
        else:
            self._check_in(reader)
        return rows

    def close(self) -> None:
        """Check all idle connections in."""
        while (reader := self._pop()) is not None:
            self._check_in(reader)

    def _take(self) -> _Reader:
        now = time.monotonic()
        while (reader := self._pop()) is not None:
            if self._is_current(reader) and now < reader.expires:
                return reader
            self._check_in(reader)
        engine = self._engine()
        pool = engine.pool
        return _Reader(
            engine.connect(), pool, os.getpid(), now + self._recycle
        )

    def _pop(self) -> _Reader | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _is_current(self, reader: _Reader) -> bool:
        """Whether a connection is this process's, and not disposed of."""
        return reader.pool is self._engine().pool and reader.pid == os.getpid()

    def _is_needed(self, reader: _Reader) -> bool:
        """Whether a connection stays checked out.

        It is checked in if another thread might wait for one of the pool.
        """
        pool = reader.pool
        return (
            self._is_current(reader)
            and isinstance(pool, sa.QueuePool)
            and pool.checkedout() < pool.size()
        )

    def _check_in(self, reader: _Reader) -> None:
        if reader.pid == os.getpid() and not self._is_current(reader):
            # Nothing else closes a connection whose pool was disposed of.
            reader.connection.invalidate()
        reader.connection.close()
