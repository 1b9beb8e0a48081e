# SPDX-License-Identifier: Apache-2.0

"""Statements that the queries of several tables share."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from console_svc.db.engine import Connections


def upserts(
    table: sa.Table, updated: str, always: bool = False
) -> dict[str, sa.Insert]:
    """Dialect -> an insert that updates one column if the row exists.

    Either way it locks the row until the transaction ends. A SELECT ... FOR
    UPDATE of a missing row would make concurrent inserts on MySQL deadlock.

    :param table: its primary key has one column
    :param updated: the column
    :param always: add 1 to a value that is not less than the new one. A row
        that does not change is not replicated: in a Galera cluster, it would
        be locked on one node only
    """

    def value(new: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        old = table.c[updated]
        return sa.case((old < new, new), else_=old + 1) if always else new

    on_mysql = mysql.insert(table)
    found: dict[str, sa.Insert] = {
        'mysql': on_mysql.on_duplicate_key_update(
            {updated: value(on_mysql.inserted[updated])}
        )
    }
    dialect: Any
    for dialect in (postgresql, sqlite):
        insert = dialect.insert(table)
        found[dialect.__name__.rpartition('.')[2]] = (
            insert.on_conflict_do_update(
                index_elements=[*table.primary_key],
                set_={updated: value(insert.excluded[updated])},
            )
        )
    return found


def purge(
    connections: Connections,
    key: sa.Column[Any],
    expires: sa.Column[int],
    now: int,
    batch: int,
    *conditions: sa.ColumnElement[bool],
) -> int:
    """Delete expired rows, at most a batch of them.

    :param key: the primary key
    :param conditions: which rows can expire
    :returns: the number of rows found
    """
    # Select first: not every database supports DELETE with LIMIT, and rows
    # that are not deleted must not be locked.
    rows = connections.read(
        sa.select(key)
        .where(expires <= now, *conditions)
        .order_by(expires)
        .limit(batch)
    )
    if rows:
        with connections.writing() as connection:
            connection.execute(
                key.table.delete().where(
                    key.in_([row[key.name] for row in rows]),
                    # A request may have extended the row meanwhile. The sum
                    # keeps the index of this column out of the plan: with
                    # it, MySQL would lock all expired rows.
                    expires + 0 <= now,
                )
            )
    return len(rows)
