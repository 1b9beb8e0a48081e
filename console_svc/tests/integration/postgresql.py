# SPDX-License-Identifier: Apache-2.0

"""A real PostgreSQL in a temporary folder."""

import os
import pathlib
import shutil
import signal
import subprocess
from collections.abc import Sequence
from typing import Any

import fixtures
import psycopg2

from console_svc.tests.programs import process


class PostgreSQL(fixtures.Fixture):
    """A server that listens on 127.0.0.1 only."""

    def _setUp(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        data = folder / 'data'
        data.mkdir(mode=0o700)
        as_user = as_postgres(folder)
        if as_user:
            shutil.chown(data, 'postgres', 'postgres')
        subprocess.run(
            [
                *as_user,
                _program('initdb'),
                *('-D', str(data), '-A', 'trust', '-U', 'postgres'),
                *('--no-sync', '-E', 'UTF8', '--locale=C.UTF-8'),
            ],
            check=True,
            capture_output=True,
            cwd=folder,
        )
        self.port = process.free_port()
        settings = {
            'listen_addresses': '127.0.0.1',
            'unix_socket_directories': '',
            # Data need not survive a power failure.
            'fsync': 'off',
            'synchronous_commit': 'off',
            'full_page_writes': 'off',
            'deadlock_timeout': '100ms',
        }
        self.server = self.useFixture(
            process.Program(
                [
                    *as_user,
                    _program('postgres'),
                    *('-D', str(data), '-p', str(self.port)),
                    *(
                        argument
                        for name, value in settings.items()
                        for argument in ('-c', f'{name}={value}')
                    ),
                ],
                folder / 'postgresql.log',
            )
        )
        # With SIGTERM it would wait for its clients to disconnect.
        self.addCleanup(self.server.signal, signal.SIGINT)
        self.wait_until_it_answers()
        self._databases = 0

    def wait_until_it_answers(self) -> None:
        """Wait until the server answers."""
        self.server.wait_for(self._answers, 'PostgreSQL')

    def database(self) -> str:
        """Create an empty database and return its URL."""
        self._databases += 1
        name = f'd{self._databases}'
        self.execute(f'CREATE DATABASE {name}')
        return f'postgresql+psycopg2://postgres@127.0.0.1:{self.port}/{name}'

    def execute(
        self, statement: str, database: str = 'postgres'
    ) -> Sequence[tuple[Any, ...]]:
        """Execute a statement as an administrator, and return its rows."""
        connection = self._connect(database)
        connection.autocommit = True
        try:
            cursor = connection.cursor()
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def _connect(
        self, database: str = 'postgres'
    ) -> 'psycopg2.extensions.connection':
        return psycopg2.connect(
            host='127.0.0.1',
            port=self.port,
            user='postgres',
            dbname=database,
        )

    def _answers(self) -> bool:
        # It accepts connections before it is ready.
        try:
            self._connect().close()
        except psycopg2.OperationalError:
            return False
        return True


def as_postgres(folder: pathlib.Path) -> list[str]:
    """Return a command that runs another one as a user other than root.

    PostgreSQL and PgBouncer refuse to run as root.

    :param folder: what the other command must be able to enter
    """
    if os.geteuid() != 0:
        return []
    folder.chmod(0o755)
    return [
        process.program('setpriv'),
        *('--reuid=postgres', '--regid=postgres', '--clear-groups'),
    ]


def _program(name: str) -> str:
    """Find a program of the newest PostgreSQL.

    Debian installs them outside the PATH.
    """
    folders = pathlib.Path('/usr/lib/postgresql').glob('*/bin')
    newest = sorted(folders, key=lambda folder: float(folder.parent.name))
    return process.program(str(newest[-1] / name) if newest else name)
