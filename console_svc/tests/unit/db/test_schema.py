# SPDX-License-Identifier: Apache-2.0

"""The statements that create the schema, so that a review sees changes.

``UPDATE_SAMPLES=1 stestr run test_schema`` writes the files anew. Other tests
check that the migrations lead to the same schema.
"""

import os
import pathlib

import sqlalchemy as sa
import testtools
from sqlalchemy.dialects import mysql, postgresql, sqlite

from console_svc.db import tables

FOLDER = pathlib.Path(__file__).with_name('schema')


class SchemaTest(testtools.TestCase):
    def check(self, dialect: sa.Dialect) -> None:
        statements = [
            str(statement.compile(dialect=dialect)).strip()
            for table in tables.metadata.sorted_tables
            for statement in (
                sa.schema.CreateTable(table),
                *map(
                    sa.schema.CreateIndex,
                    sorted(table.indexes, key=lambda index: str(index.name)),
                ),
            )
        ]
        text = ''.join(
            '\n'.join(line.rstrip() for line in statement.splitlines())
            + ';\n\n'
            for statement in statements
        ).replace('\t', '    ')
        file = FOLDER / f'{dialect.name}.sql'
        if os.environ.get('UPDATE_SAMPLES'):
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        self.assertEqual(file.read_text(), text)

    def test_mysql(self) -> None:
        self.check(mysql.dialect())

    def test_postgresql(self) -> None:
        self.check(postgresql.dialect())

    def test_sqlite(self) -> None:
        self.check(sqlite.dialect())
