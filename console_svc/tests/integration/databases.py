# SPDX-License-Identifier: Apache-2.0

"""Mix-ins for test classes: one for each database server and driver."""

from console_svc.tests.functional.db.base import OnDatabase
from console_svc.tests.integration.mariadb import MariaDB
from console_svc.tests.integration.postgresql import PostgreSQL
from console_svc.tests.programs import process


class OnMariaDB(OnDatabase):
    def url(self) -> str:
        return process.shared(MariaDB).database()


class OnPostgreSQL(OnDatabase):
    def url(self) -> str:
        return process.shared(PostgreSQL).database()


class OnMySQLdb(OnMariaDB):
    """With mysqlclient instead of PyMySQL."""

    def url(self) -> str:
        return super().url().replace('pymysql', 'mysqldb')


class OnPsycopg(OnPostgreSQL):
    """With psycopg 3 instead of psycopg2."""

    def url(self) -> str:
        return super().url().replace('psycopg2', 'psycopg')
