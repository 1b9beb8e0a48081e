# SPDX-License-Identifier: Apache-2.0

"""A real MariaDB in a temporary folder."""

import os
import pathlib
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

import fixtures
import pymysql

from console_svc.tests.programs import process


class MariaDB(fixtures.Fixture):
    """A server that listens on 127.0.0.1 only."""

    def _setUp(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        data = folder / 'data'
        data.mkdir()
        where = ['--no-defaults', f'--datadir={data}']
        if os.geteuid() == 0:
            # As root, the server switches to this user.
            folder.chmod(0o755)
            shutil.chown(data, 'mysql', 'mysql')
            where.append('--user=mysql')
        subprocess.run(
            [
                process.program('mariadb-install-db'),
                *where,
                '--auth-root-authentication-method=normal',
                '--skip-test-db',
            ],
            check=True,
            capture_output=True,
        )
        self.port = process.free_port()
        self.server = self.useFixture(
            process.Program(
                [
                    'mariadbd',
                    *where,
                    *('--bind-address=127.0.0.1', f'--port={self.port}'),
                    f'--socket={data / "socket"}',
                    f'--pid-file={data / "pid"}',
                    # The defaults of Debian's packages.
                    '--character-set-server=utf8mb4',
                    '--collation-server=utf8mb4_general_ci',
                    # Transactions must survive the end of the process, but
                    # not a power failure.
                    '--innodb-flush-log-at-trx-commit=2',
                    '--innodb-flush-method=nosync',
                    '--skip-innodb-doublewrite',
                ],
                folder / 'mariadb.log',
            )
        )
        self.wait_until_it_answers()
        self._databases = 0

    def wait_until_it_answers(self) -> None:
        """Wait until the server accepts connections."""
        self.server.wait_for(lambda: process.listens(self.port), 'MariaDB')

    def connections(self) -> int:
        """Return the number of connections, without its own."""
        ((_, number),) = self.execute("SHOW STATUS LIKE 'Threads_connected'")
        return int(number) - 1

    def database(self) -> str:
        """Create an empty database and return its URL."""
        self._databases += 1
        name = f'd{self._databases}'
        self.execute(f'CREATE DATABASE {name}')
        return f'mysql+pymysql://root@127.0.0.1:{self.port}/{name}'

    def execute(self, statement: str) -> Sequence[tuple[Any, ...]]:
        """Execute a statement as an administrator, and return its rows."""
        with pymysql.connect(
            host='127.0.0.1', port=self.port, user='root', autocommit=True
        ) as connection:
            cursor = connection.cursor()
            cursor.execute(statement)
            return cursor.fetchall()
