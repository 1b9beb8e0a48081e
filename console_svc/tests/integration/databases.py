# SPDX-License-Identifier: Apache-2.0

"""Mix-ins for test classes: one for each database server."""

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
