# SPDX-License-Identifier: Apache-2.0

"""Errors of the database that oslo.db does not distinguish."""

import re
from typing import Any, Final

import sqlalchemy as sa
from oslo_db import exception as db_exception

# A server that refuses every write: ER_OPTION_PREVENTS_STATEMENT,
# ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION, ER_READ_ONLY_MODE,
# read_only_sql_transaction.
_READ_ONLY: Final = frozenset({1290, 1792, 1836, '25006'})

# ER_NO_SUCH_TABLE, ER_BAD_FIELD_ERROR, undefined_table, undefined_column.
_NO_TABLE: Final = frozenset({1146, 1054, '42P01', '42703'})

# SQLite has one code for these and many other errors.
_NO_TABLE_IN_SQLITE: Final = re.compile(
    r'no such (table|column)|table \S+ has no column named'
)

# ER_UNKNOWN_COM_ERROR: a Galera node without quorum, or one that is joining,
# refuses every statement but keeps the connection open.
_NOT_READY: Final = 1047


class ReadOnly(db_exception.DBConnectionError):  # type: ignore[misc]
    """The server refuses writes; it has rolled the transaction back."""


class SchemaMismatch(db_exception.DBError):  # type: ignore[misc]
    """The schema is missing, or too old for this version."""


class Uncommitted(db_exception.DBConnectionError):  # type: ignore[misc]
    """The connection was lost before the COMMIT was sent."""


def recognize(context: sa.engine.ExceptionContext) -> None:
    """Handle an error before oslo.db does: a ``handle_error`` listener.

    :raises ReadOnly: a new connection may lead to a server that writes
    :raises SchemaMismatch: a table or a column is missing
    """
    code = code_of(context.original_exception)
    if code == _NOT_READY:
        # A new connection may lead to another node.
        context.is_disconnect = True
    elif code in _READ_ONLY:
        # Also closes the idle connections of the pool.
        context.is_disconnect = True
        raise ReadOnly(context.sqlalchemy_exception)
    elif code in _NO_TABLE and not _is_expected(context):
        raise SchemaMismatch(context.sqlalchemy_exception)


def describe(error: db_exception.DBError) -> str:
    """An error in one line, for the log."""
    # Without the statement and its parameters, which do not matter where the
    # server does not answer.
    if isinstance(error, db_exception.DBConnectionError):
        inner = error.inner_exception
        while isinstance(inner, db_exception.DBError):
            inner = inner.inner_exception
        error = getattr(inner, 'orig', None) or inner or error
    return ' '.join(str(error).split())


def code_of(error: BaseException) -> Any:
    """The number of MySQL, or the SQLSTATE of PostgreSQL.

    :param error: an exception of the driver
    """
    code = next(iter(error.args), None)
    if isinstance(code, int):
        return code
    if isinstance(code, str) and _NO_TABLE_IN_SQLITE.match(code):
        return 1146
    # psycopg2 names it pgcode, psycopg sqlstate.
    return getattr(error, 'pgcode', None) or getattr(error, 'sqlstate', None)


def _is_expected(context: sa.engine.ExceptionContext) -> bool:
    """Whether SQLAlchemy is looking whether a table exists."""
    # SQLAlchemy reads this option of the connection, but sets that of the
    # statement.
    execution = context.execution_context
    return execution is not None and bool(
        execution.execution_options.get('skip_user_error_events')
    )
