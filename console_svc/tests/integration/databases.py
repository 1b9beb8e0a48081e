# SPDX-License-Identifier: Apache-2.0

"""Mix-ins for test classes: one for each database engine."""

import pathlib
from collections.abc import Mapping
from typing import Any

import fixtures

from console_svc.tests.fixtures import Configuration
from console_svc.tests.integration.mariadb import MariaDB
from console_svc.tests.integration.postgresql import PostgreSQL
from console_svc.tests.programs import process


class OnDatabase:
    """A test case on the engine of :meth:`url`."""

    def url(self) -> str:
        """Return the URL of a new, empty database."""
        raise NotImplementedError

    def empty(self) -> pathlib.Path:
        """Return the file of a configuration with an empty database."""
        file = self.useFixture(Configuration()).file
        with file.open('a') as lines:
            lines.write(f'[database]\nconnection = {self.url()}\n')
        return file

    def configuration(
        self,
        groups: Mapping[str, dict[str, Any]] | None = None,
        **consoleauth: object,
    ) -> Configuration:
        """Return a configuration whose database has the current schema.

        :param groups: options of groups other than consoleauth
        """
        return self.useFixture(
            Configuration(
                consoleauth=consoleauth,
                database={'connection': self.url()},
                **(groups or {}),
            )
        )


class OnSQLite(OnDatabase):
    def url(self) -> str:
        folder = self.useFixture(fixtures.TempDir()).path
        return f'sqlite:///{folder}/console-svc.sqlite'


class OnMariaDB(OnDatabase):
    def url(self) -> str:
        return process.shared(MariaDB).database()


class OnPostgreSQL(OnDatabase):
    def url(self) -> str:
        return process.shared(PostgreSQL).database()
