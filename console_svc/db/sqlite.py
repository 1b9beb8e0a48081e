# SPDX-License-Identifier: Apache-2.0

"""Event listeners of SQLite's engines."""

import sqlite3
from typing import Any

import sqlalchemy as sa


def prepare(connection: sqlite3.Connection, record: Any) -> None:
    """Set a new connection up: a ``connect`` listener."""
    # WAL: readers do not wait for the writer. The time-out is for writers.
    connection.execute('PRAGMA busy_timeout = 10000')
    connection.execute('PRAGMA journal_mode = WAL')
    connection.execute('PRAGMA synchronous = NORMAL')


def begin_writing(
    connection: sa.Connection,
    cursor: sqlite3.Cursor,
    statement: str,
    parameters: Any,
    context: Any,
    executemany: bool,
) -> tuple[str, Any]:
    """Start as a writer: a ``before_cursor_execute`` listener."""
    # oslo.db starts each transaction with this statement. A writer must wait
    # for another writer here: a transaction that starts as a reader fails at
    # its first write if another one has written since.
    if statement == 'BEGIN':
        statement = 'BEGIN IMMEDIATE'
    return statement, parameters
