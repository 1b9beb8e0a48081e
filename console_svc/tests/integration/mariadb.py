# SPDX-License-Identifier: Apache-2.0

"""A real MariaDB, in a folder of its own."""

import pathlib
import shutil
import subprocess

import fixtures
import pymysql

from console_svc.tests.integration import process


class MariaDB(fixtures.Fixture):
    """Listens on 127.0.0.1 alone."""

    def _setUp(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        # The server gives root up for this user of the package.
        folder.chmod(0o755)
        data = folder / 'data'
        data.mkdir()
        shutil.chown(data, 'mysql', 'mysql')
        self._port = process.free_port()
        subprocess.run(
            [
                process.program('mariadb-install-db'),
                *('--no-defaults', '--user=mysql', f'--datadir={data}'),
                *(
                    '--auth-root-authentication-method=normal',
                    '--skip-test-db',
                ),
            ],
            check=True,
            capture_output=True,
        )
        server = self.useFixture(
            process.Program(
                [
                    'mariadbd',
                    *('--no-defaults', '--user=mysql', f'--datadir={data}'),
                    *('--bind-address=127.0.0.1', f'--port={self._port}'),
                    f'--socket={data / "socket"}',
                    f'--pid-file={data / "pid"}',
                    '--innodb-flush-log-at-trx-commit=0',
                ],
                folder / 'mariadb.log',
            )
        )
        server.wait_for(lambda: process.listens(self._port), 'MariaDB')

    def database(self, name: str) -> str:
        """A new, empty database; its URL."""
        with pymysql.connect(
            host='127.0.0.1', port=self._port, user='root'
        ) as connection:
            connection.cursor().execute(f'CREATE DATABASE {name}')
        return f'mysql+pymysql://root@127.0.0.1:{self._port}/{name}'
