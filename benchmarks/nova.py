# SPDX-License-Identifier: Apache-2.0

"""The same look-up in a real nova: its API, one cell, one token."""

import pathlib
import shutil
import subprocess

import pymysql
import requests
import sqlalchemy as sa

from benchmarks.load import Request, Server
from benchmarks.targets import Stage, Subject
from console_svc.tests import fixtures
from console_svc.tests.integration import process
from console_svc.tests.integration.service import MODULE, uwsgi

_CONFIGURATION = """\
[DEFAULT]
my_ip = 127.0.0.1
host = nova
transport_url = fake:///
state_path = {folder}
log_file = {folder}/nova.log
[api_database]
connection = {api}
[database]
connection = {cell}
[oslo_concurrency]
lock_path = {folder}
[keystone_authtoken]
{authtoken}
"""

# What nova-compute writes for a server with a console.
_INSTANCE = """
INSERT INTO instances (uuid, project_id, user_id, deleted, created_at, hidden)
VALUES (%s, 'demo', 'joe', 0, NOW(), 0)
"""
_TOKEN = """
INSERT INTO console_auth_tokens (token_hash, console_type, host, port,
    instance_uuid, expires, access_url_base, created_at)
VALUES (SHA2(%s, 256), 'novnc', '192.0.2.10', 5901, %s,
    UNIX_TIMESTAMP() + 86400, 'http://127.0.0.1:6080/vnc_lite.html', NOW())
"""


def target(
    stage: Stage, subject: Subject, venv: pathlib.Path
) -> tuple[Server, Request]:
    """Nova's look-up of a token, as our proxy would ask it.

    :param venv: a virtual environment that has nova
    """
    folder = subject.folder / 'nova'
    folder.mkdir()
    cell, api, cell0 = (stage.mariadb.database() for _ in range(3))
    authtoken = stage.authtoken()
    file = folder / 'nova.conf'
    file.write_text(
        _CONFIGURATION.format(
            folder=folder,
            api=api,
            cell=cell,
            authtoken='\n'.join(
                f'{name} = {value}' for name, value in authtoken.items()
            ),
        )
    )
    shutil.copy(venv / 'etc/nova/api-paste.ini', folder)

    def manage(*arguments: str) -> None:
        subprocess.run(
            [venv / 'bin/nova-manage', '--config-file', file, *arguments],
            check=True,
            capture_output=True,
        )

    manage('api_db', 'sync')
    manage('cell_v2', 'map_cell0', '--database_connection', cell0)
    manage('cell_v2', 'create_cell', '--name', 'cell1')
    manage('db', 'sync')
    url = sa.engine.make_url(cell)
    token = 'a-token-of-nova'
    with pymysql.connect(
        host=url.host,
        port=url.port or 3306,
        user=url.username,
        database=url.database,
        autocommit=True,
    ) as connection:
        cursor = connection.cursor()
        cursor.execute(_INSTANCE, (fixtures.SERVER,))
        cursor.execute(_TOKEN, (token, fixtures.SERVER))
    port = process.free_port()
    _, *options = uwsgi(
        port,
        folder / 'nova.conf',
        {
            MODULE: 'nova.wsgi.osapi_compute:application',
            # It has threads of its own.
            'lazy-apps = false': 'lazy-apps = true',
        },
    )
    program = process.Program(
        [str(venv / 'bin/uwsgi'), *options],
        folder / 'uwsgi.log',
        {'OS_NOVA_CONFIG_DIR': str(folder)},
    )
    stage.use(program)
    request = Request(
        f'http://127.0.0.1:{port}/v2.1/os-console-auth-tokens/{token}',
        {
            **subject.lookup('').headers,
            'X-Auth-Token': stage.keystone.token(),
        },
    )
    program.wait_for(lambda: _answers(request), 'nova')
    return Server(program.pid), request


def _answers(request: Request) -> bool:
    # It listens long before it has loaded.
    try:
        answer = requests.get(
            request.url, headers=request.headers, timeout=process.PATIENCE
        )
    except requests.ConnectionError:
        return False
    answer.raise_for_status()
    return True
