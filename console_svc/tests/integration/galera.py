# SPDX-License-Identifier: Apache-2.0

"""A real MariaDB Galera cluster of three nodes behind HAProxy."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
from typing import Any

import fixtures
import pymysql

from console_svc.tests.programs import process

NODES = 3
DATABASE = 'console_svc'
USER = 'console'

_PROVIDERS = (
    '/usr/lib/galera/libgalera_smm.so',
    '/usr/lib64/galera-4/libgalera_smm.so',
)

_NODE = """\
[mysqld]
{user}
datadir = {home}/data
tmpdir = {home}/tmp
socket = {home}/socket
pid-file = {home}/pid
bind-address = 127.0.0.1
port = {port}
skip-name-resolve
innodb_autoinc_lock_mode = 2
innodb_buffer_pool_size = 64M
innodb_log_file_size = 32M
# Transactions must survive the end of the process, but not a power failure.
innodb_flush_log_at_trx_commit = 2
default_storage_engine = InnoDB
binlog_format = ROW
wsrep_on = ON
wsrep_provider = {provider}
wsrep_cluster_name = console-svc
wsrep_cluster_address = gcomm://{members}
wsrep_node_name = node{number}
wsrep_node_address = 127.0.0.1:{group}
wsrep_node_incoming_address = 127.0.0.1:{port}
wsrep_sst_method = rsync
wsrep_sst_receive_address = 127.0.0.1:{transfer}
wsrep_provider_options = \
"gmcast.listen_addr=tcp://127.0.0.1:{group};ist.recv_addr=127.0.0.1:{increment}"
"""

_HAPROXY = """\
defaults
    mode tcp
    timeout connect 2s
    timeout client 1h
    timeout server 1h
    retries 3
    option redispatch
    default-server check inter 500ms fall 2 rise 2 \
on-marked-down shutdown-sessions

listen galera
    bind 127.0.0.1:{port}
    balance leastconn
    option mysql-check user haproxy
{servers}
"""


class Node(fixtures.Fixture):
    """A node. The first one bootstraps the cluster, the others join it.

    :param number: the number of the node, from 1
    :param groups: the ports of all nodes for replication traffic
    """

    def __init__(
        self, folder: pathlib.Path, number: int, groups: list[int]
    ) -> None:
        self._home = folder / f'node{number}'
        self._number = number
        self._groups = groups
        self.port = process.free_port()

    def _setUp(self) -> None:
        user = ''
        for name in ('', 'data', 'tmp'):
            (self._home / name).mkdir()
            if os.geteuid() == 0:
                # As root, the server switches to this user.
                shutil.chown(self._home / name, 'mysql', 'mysql')
                user = 'user = mysql'
        self._file = self._home / 'node.cnf'
        self._file.write_text(
            _NODE.format(
                user=user,
                home=self._home,
                number=self._number,
                port=self.port,
                provider=next(filter(os.path.exists, _PROVIDERS)),
                group=self._groups[self._number - 1],
                members=','.join(f'127.0.0.1:{it}' for it in self._groups),
                increment=process.free_port(),
                transfer=process.free_port(),
            )
        )
        if self._number == 1:
            self._install()
        self._start(*(['--wsrep-new-cluster'] if self._number == 1 else []))
        self.addCleanup(lambda: self._program.cleanUp())

    def _install(self) -> None:
        subprocess.run(
            [
                process.program('mariadb-install-db'),
                f'--defaults-file={self._file}',
                '--auth-root-authentication-method=normal',
                '--skip-test-db',
            ],
            check=True,
            capture_output=True,
        )

    def _start(self, *options: str) -> None:
        self._program = process.Program(
            ['mariadbd', f'--defaults-file={self._file}', *options],
            self._home / 'log',
        )
        self._program.setUp()

    def kill(self) -> None:
        """Kill the node, without a shutdown."""
        self._program.signal_all(signal.SIGKILL)
        self._program.wait()

    def rejoin(self) -> None:
        """Start the node again, and wait until it is in sync."""
        # With this file it would try to restore its last view of the
        # cluster instead of joining it.
        (self._home / 'data/gvwstate.dat').unlink(missing_ok=True)
        self._start()
        self.wait_until_in_sync()

    def wait_until_in_sync(self) -> None:
        """Wait until the node is a synced member of the cluster."""
        self._program.wait_for(self._in_sync, f'node {self._number}')

    def _in_sync(self) -> bool:
        with contextlib.suppress(pymysql.Error):
            return (
                self.status('wsrep_cluster_status') == 'Primary'
                and self.status('wsrep_local_state_comment') == 'Synced'
                and self.status('wsrep_ready') == 'ON'
            )
        return False

    def status(self, name: str) -> str:
        """Return one of its status variables."""
        ((_, value),) = self.sql('SHOW GLOBAL STATUS LIKE %s', name)
        return str(value)

    def sql(self, statement: str, *parameters: Any) -> list[Any]:
        """Execute a statement as the administrator; return the rows."""
        with pymysql.connect(
            unix_socket=str(self._home / 'socket'),
            user='root',
            autocommit=True,
        ) as connection:
            cursor = connection.cursor()
            cursor.execute(statement, parameters)
            return list(cursor.fetchall())


class Galera(fixtures.Fixture):
    """Three nodes, and one address that leads to the healthy ones."""

    def _setUp(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        folder.chmod(0o755)
        groups = [process.free_port() for _ in range(NODES)]
        self.nodes = []
        for number in range(1, NODES + 1):
            node = self.useFixture(Node(folder, number, groups))
            # One after another: nodes that join at once block each other.
            node.wait_until_in_sync()
            self.nodes.append(node)
        first = self.nodes[0]
        first.sql(f'CREATE DATABASE {DATABASE}')
        for user in (USER, 'haproxy'):
            first.sql(f"CREATE USER '{user}'@'127.0.0.1'")
        first.sql(f"GRANT ALL ON {DATABASE}.* TO '{USER}'@'127.0.0.1'")
        self._balance(folder)

    def _balance(self, folder: pathlib.Path) -> None:
        self.port = process.free_port()
        file = folder / 'haproxy.cfg'
        file.write_text(
            _HAPROXY.format(
                port=self.port,
                servers='\n'.join(
                    f'    server node{number} 127.0.0.1:{node.port}'
                    for number, node in enumerate(self.nodes, 1)
                ),
            )
        )
        balancer = self.useFixture(
            process.Program(
                ['haproxy', '-db', '-f', str(file)], folder / 'haproxy.log'
            )
        )
        balancer.wait_for(lambda: process.listens(self.port), 'HAProxy')

    def url(self, port: int | None = None) -> str:
        """Return the URL of the cluster, or of one node's port."""
        where = f'127.0.0.1:{port or self.port}'
        return f'mysql+pymysql://{USER}@{where}/{DATABASE}'
