# SPDX-License-Identifier: Apache-2.0

"""A real MariaDB, in a folder of its own."""

import os
import pathlib
import shutil
import subprocess

import fixtures
import pymysql

from console_svc.tests.programs import process


class MariaDB(fixtures.Fixture):
    """Listens on 127.0.0.1 alone."""

    def _setUp(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        data = folder / 'data'
        data.mkdir()
        where = ['--no-defaults', f'--datadir={data}']
        if os.geteuid() == 0:
            # The server gives root up for this user of the package.
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
                    # As the packages of Debian have it.
                    '--character-set-server=utf8mb4',
                    '--collation-server=utf8mb4_general_ci',
                    # What is lost with the power is lost with the tests; what
                    # is lost with the process is not.
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
        """Wait for the server that was started."""
        self.server.wait_for(lambda: process.listens(self.port), 'MariaDB')

    def connections(self) -> int:
        """How many clients it has now, besides the one that asks."""
        with pymysql.connect(
            host='127.0.0.1', port=self.port, user='root'
        ) as connection:
            cursor = connection.cursor()
            cursor.execute("SHOW STATUS LIKE 'Threads_connected'")
            return int(cursor.fetchone()[1]) - 1

    def database(self) -> str:
        """A new, empty database; its URL."""
        self._databases += 1
        name = f'd{self._databases}'
        with pymysql.connect(
            host='127.0.0.1', port=self.port, user='root'
        ) as connection:
            connection.cursor().execute(f'CREATE DATABASE {name}')
        return f'mysql+pymysql://root@127.0.0.1:{self.port}/{name}'
