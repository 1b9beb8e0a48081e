# SPDX-License-Identifier: Apache-2.0

"""All migrations and queries on MariaDB and PostgreSQL.

The functional tests run them on SQLite.
"""

import testtools

from console_svc.tests.functional.db import (
    test_database,
    test_log_ins,
    test_migrations,
    test_native_consoles,
    test_plans,
    test_sessions,
    test_tokens,
)
from console_svc.tests.integration.databases import OnMariaDB, OnPostgreSQL


class MariaDBMigrations(
    OnMariaDB, test_migrations.Migrations, testtools.TestCase
):
    pass


class MariaDBDatabase(OnMariaDB, test_database.Database, testtools.TestCase):
    pass


class MariaDBTokens(OnMariaDB, test_tokens.Tokens, testtools.TestCase):
    pass


class MariaDBSessions(OnMariaDB, test_sessions.Sessions, testtools.TestCase):
    pass


class MariaDBNativeConsoles(
    OnMariaDB, test_native_consoles.NativeConsoles, testtools.TestCase
):
    pass


class MariaDBLogIns(OnMariaDB, test_log_ins.LogIns, testtools.TestCase):
    pass


class MariaDBPlans(OnMariaDB, test_plans.Plans, testtools.TestCase):
    ANALYZE = 'ANALYZE TABLE'

    def uses(self, plan: str, index: str) -> bool:
        if index.startswith('pk'):
            index = 'PRIMARY'
        # type, possible_keys, key
        return f"'{index}'" in plan.partition(', ')[2].split("'ALL'")[0]


class PostgreSQLMigrations(
    OnPostgreSQL, test_migrations.Migrations, testtools.TestCase
):
    pass


class PostgreSQLDatabase(
    OnPostgreSQL, test_database.Database, testtools.TestCase
):
    pass


class PostgreSQLTokens(OnPostgreSQL, test_tokens.Tokens, testtools.TestCase):
    pass


class PostgreSQLSessions(
    OnPostgreSQL, test_sessions.Sessions, testtools.TestCase
):
    pass


class PostgreSQLNativeConsoles(
    OnPostgreSQL, test_native_consoles.NativeConsoles, testtools.TestCase
):
    pass


class PostgreSQLLogIns(OnPostgreSQL, test_log_ins.LogIns, testtools.TestCase):
    pass


class PostgreSQLPlans(OnPostgreSQL, test_plans.Plans, testtools.TestCase):
    def uses(self, plan: str, index: str) -> bool:
        return f' {index} ' in plan and 'Seq Scan' not in plan
