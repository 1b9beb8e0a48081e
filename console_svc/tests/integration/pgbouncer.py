# SPDX-License-Identifier: Apache-2.0

"""A real PgBouncer in transaction mode, in front of the PostgreSQL."""

import pathlib

import fixtures

from console_svc.tests.integration.postgresql import PostgreSQL, as_postgres
from console_svc.tests.programs import process

_SETTINGS = """\
[databases]
* = host=127.0.0.1 port={server}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = 3
"""


class PgBouncer(fixtures.Fixture):
    """A pooler that listens on 127.0.0.1 only, with its defaults."""

    def _setUp(self) -> None:
        self._postgresql = process.shared(PostgreSQL)
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        users = folder / 'users'
        users.write_text('"postgres" ""\n')
        self.port = process.free_port()
        settings = folder / 'pgbouncer.ini'
        settings.write_text(
            _SETTINGS.format(
                server=self._postgresql.port, port=self.port, users=users
            )
        )
        self.pooler = self.useFixture(
            process.Program(
                [
                    *as_postgres(folder),
                    process.program('pgbouncer'),
                    str(settings),
                ],
                folder / 'pgbouncer.log',
            )
        )
        self.pooler.wait_for(lambda: process.listens(self.port), 'PgBouncer')

    def database(self) -> str:
        """Create an empty database and return its URL behind the pooler."""
        url = self._postgresql.database()
        return url.replace(f':{self._postgresql.port}/', f':{self.port}/')
