# SPDX-License-Identifier: Apache-2.0

"""Errors of the servers, which the integration tests provoke."""

from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
import testtools
from oslo_db import exception as db_exception

from console_svc.db import errors


def context(*arguments: Any, **attributes: Any) -> SimpleNamespace:
    """Return what SQLAlchemy passes on a driver's error."""
    original = type('Error', (Exception,), attributes)(*arguments)
    return SimpleNamespace(
        original_exception=original,
        sqlalchemy_exception=sa.exc.OperationalError('x', {}, original),
        execution_context=None,
        is_disconnect=False,
    )


class ErrorsTest(testtools.TestCase):
    def test_refused_writes_drop_the_connection(self) -> None:
        for refused in (
            # PyMySQL has the SQLSTATE, too.
            context(1290, 'with the --read-only option', sqlstate='HY000'),
            context(1792, 'in a READ ONLY transaction'),
            context(1836, 'Running in read-only mode'),
            context('cannot execute', pgcode='25006'),
            context('cannot execute', pgcode=None, sqlstate='25006'),
        ):
            self.assertRaises(errors.ReadOnly, errors.recognize, refused)
            self.assertTrue(refused.is_disconnect)

    def test_nodes_that_are_not_ready_drop_the_connection(self) -> None:
        refused = context(1047, 'WSREP has not yet prepared node')
        errors.recognize(refused)
        self.assertTrue(refused.is_disconnect)

    def test_missing_tables_and_columns_are_a_mismatch(self) -> None:
        for missing in (
            context(1146, "Table 'd1.consoles' doesn't exist"),
            context(1054, "Unknown column 'uses' in 'field list'"),
            context('relation does not exist', pgcode='42P01'),
            context('column does not exist', pgcode='42703'),
            context('no such table: consoles'),
            context('no such column: uses'),
            context('table leases has no column named uses'),
        ):
            self.assertRaises(errors.SchemaMismatch, errors.recognize, missing)
            self.assertFalse(missing.is_disconnect)

    def test_other_errors_are_left_to_oslo_db(self) -> None:
        for other in (
            context(),
            context(2013, 'Lost connection'),
            context(1213, 'Deadlock found'),
            context('deadlock detected', pgcode='40P01'),
            context('UNIQUE constraint failed: no such table'),
        ):
            errors.recognize(other)
            self.assertFalse(other.is_disconnect)

    def test_an_error_is_one_line(self) -> None:
        lost = context(2013, 'Lost connection\nto MySQL').sqlalchemy_exception
        for error in (
            db_exception.DBConnectionError(lost),
            errors.Uncommitted(db_exception.DBConnectionError(lost)),
        ):
            self.assertEqual(
                r"(2013, 'Lost connection\nto MySQL')", errors.describe(error)
            )
        self.assertEqual(
            "(console_svc.tests.unit.db.test_errors.Error) (1, 'x') [SQL: x] "
            '(Background on this error at: https://sqlalche.me/e/20/e3q8)',
            errors.describe(
                db_exception.DBError(context(1, 'x').sqlalchemy_exception)
            ).replace('e/21', 'e/20'),
        )
        self.assertEqual(
            'read-only', errors.describe(errors.ReadOnly('read-only'))
        )
