# SPDX-License-Identifier: Apache-2.0

"""A real PostgreSQL in a temporary folder."""

import os
import pathlib
import shutil
import signal
import subprocess

import fixtures
import psycopg2

from console_svc.tests.programs import process


class PostgreSQL(fixtures.Fixture):
    """A server that listens on 127.0.0.1 only."""

    def _setUp(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        data = folder / 'data'
        data.mkdir(mode=0o700)
        as_user = []
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            folder.chmod(0o755)
            shutil.chown(data, 'postgres', 'postgres')
            as_user = [
                process.program('setpriv'),
                *('--reuid=postgres', '--regid=postgres', '--clear-groups'),
            ]
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
        self._port = process.free_port()
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
                    *('-D', str(data), '-p', str(self._port)),
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
        connection = self._connect()
        connection.autocommit = True
        connection.cursor().execute(f'CREATE DATABASE {name}')
        connection.close()
        return f'postgresql+psycopg2://postgres@127.0.0.1:{self._port}/{name}'

    def _connect(self) -> 'psycopg2.extensions.connection':
        return psycopg2.connect(
            host='127.0.0.1',
            port=self._port,
            user='postgres',
            dbname='postgres',
        )

    def _answers(self) -> bool:
        # It accepts connections before it is ready.
        try:
            self._connect().close()
        except psycopg2.OperationalError:
            return False
        return True


def _program(name: str) -> str:
    """Find a program of the newest PostgreSQL.

    Debian installs them outside the PATH.
    """
    folders = pathlib.Path('/usr/lib/postgresql').glob('*/bin')
    newest = sorted(folders, key=lambda folder: float(folder.parent.name))
    return process.program(str(newest[-1] / name) if newest else name)
