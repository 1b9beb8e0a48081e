# SPDX-License-Identifier: Apache-2.0

"""A real nova: API, conductor, and a compute service with a fake driver."""

import pathlib
import shutil
import subprocess
import sys
from collections.abc import Mapping

import fixtures
import requests
import yaml

from console_svc.tests.integration.keystone import Keystone
from console_svc.tests.integration.mariadb import MariaDB
from console_svc.tests.integration.rabbitmq import RabbitMQ
from console_svc.tests.integration.service import MODULE, authtoken, uwsgi
from console_svc.tests.integration.stub import Answer, Stub
from console_svc.tests.programs import process

_CONFIGURATION = """\
[DEFAULT]
my_ip = 127.0.0.1
host = compute-1
compute_driver = fake.PredictableNodeUUIDDriver
transport_url = {transport}
rpc_response_timeout = 5
heal_instance_info_cache_interval = -1
sync_power_state_interval = -1
state_path = {folder}
log_file = {folder}/nova.log
[api_database]
connection = {api}
[database]
connection = {cell}
[oslo_concurrency]
lock_path = {folder}
[conductor]
workers = 1
[placement]
auth_type = admin_token
token = admin:admin
endpoint = {placement}
endpoint_override = {placement}
[neutron]
auth_type = none
endpoint_override = {others}
[glance]
endpoint_override = {others}
[consoleauth]
token_ttl = 86400
[vnc]
enabled = true
[spice]
enabled = true
[serial_console]
enabled = true
[mks]
enabled = true
[oslo_policy]
policy_file = {folder}/policy.yaml
[keystone_authtoken]
{authtoken}
"""

_PLACEMENT = """\
[DEFAULT]
log_file = {folder}/placement.log
[api]
auth_strategy = noauth2
[placement_database]
connection = {database}
"""

_NOTHING: dict[str, list[str]] = {
    'ports': [],
    'networks': [],
    'extensions': [],
    'security_groups': [],
}

#: The policy that doc/source/admin/nova.rst recommends.
POLICY = {
    'os_compute_api:os-console-auth-tokens': 'rule:admin_api or role:service'
}


class Nova(fixtures.Fixture):
    """A nova that uses a keystone.

    :param servers: server id -> project id, host and state
    :param keystone_authtoken: options of the group, instead of the defaults
    """

    def __init__(
        self,
        keystone: Keystone,
        servers: Mapping[str, tuple[str, str | None, str]],
        keystone_authtoken: Mapping[str, object] | None = None,
    ) -> None:
        self._keystone = keystone
        self._authtoken = keystone_authtoken or authtoken(
            # Nova checks access rules only if it knows its own type.
            keystone,
            service_type='compute',
        )
        self._servers = servers

    def _setUp(self) -> None:
        self._folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.log = self._folder / 'nova.log'
        bus = self.useFixture(RabbitMQ())
        # Neutron and glance, without networks and images.
        others = self.useFixture(
            Stub(lambda method, path: Answer(body=_NOTHING))
        )
        database = process.shared(MariaDB)
        cell, api, cell0 = (database.database() for _ in range(3))
        self._file = self._folder / 'nova.conf'
        self._file.write_text(
            _CONFIGURATION.format(
                folder=self._folder,
                transport=bus.url(),
                api=api,
                cell=cell,
                placement=self._placement(),
                others=others.url,
                authtoken='\n'.join(
                    f'{name} = {value}'
                    for name, value in self._authtoken.items()
                ),
            )
        )
        (self._folder / 'policy.yaml').write_text(yaml.safe_dump(POLICY))
        shutil.copy(
            pathlib.Path(sys.prefix) / 'etc/nova/api-paste.ini', self._folder
        )
        self._manage('api_db', 'sync')
        self._manage('cell_v2', 'map_cell0', '--database_connection', cell0)
        self._manage('cell_v2', 'create_cell', '--name', 'cell1')
        self._manage('db', 'sync')
        for name in ('nova-conductor', 'nova-compute'):
            self.useFixture(
                process.Program(
                    [name, '--config-file', str(self._file)],
                    self._folder / f'{name}.log',
                )
            )
        port = process.free_port()
        self.url = f'http://127.0.0.1:{port}'
        self.server = self.useFixture(
            process.Program(
                uwsgi(
                    port,
                    self._file,
                    {MODULE: 'nova.wsgi.osapi_compute:application'},
                ),
                self._folder / 'uwsgi.log',
                {'OS_NOVA_CONFIG_DIR': str(self._folder)},
            )
        )
        self._admin = self._keystone.token()
        self.server.wait_for(self._has_compute, 'nova')
        self._create_servers()

    def _placement(self) -> str:
        """Start placement, which nova-compute needs; return its URL."""
        folder = self._folder / 'placement'
        folder.mkdir()
        file = folder / 'placement.conf'
        file.write_text(
            _PLACEMENT.format(
                folder=folder, database=process.shared(MariaDB).database()
            )
        )
        subprocess.run(
            [
                process.program('placement-manage'),
                *('--config-file', file, 'db', 'sync'),
            ],
            check=True,
            capture_output=True,
        )
        port = process.free_port()
        server = self.useFixture(
            process.Program(
                uwsgi(port, file, {MODULE: 'placement.wsgi.api:application'}),
                folder / 'uwsgi.log',
                {'OS_PLACEMENT_CONFIG_DIR': str(folder)},
            )
        )
        server.wait_for(lambda: process.listens(port), 'placement')
        return f'http://127.0.0.1:{port}'

    def _manage(self, *arguments: str) -> None:
        subprocess.run(
            [
                process.program('nova-manage'),
                *('--config-file', self._file, *arguments),
            ],
            check=True,
            capture_output=True,
        )

    def _has_compute(self) -> bool:
        """Return whether the API answers and lists a running compute."""
        try:
            answer = requests.get(
                f'{self.url}/v2.1/os-services?binary=nova-compute',
                headers={'X-Auth-Token': self._admin},
                timeout=process.PATIENCE,
            )
        except requests.ConnectionError:
            return False
        answer.raise_for_status()
        return any(
            service['state'] == 'up' for service in answer.json()['services']
        )

    def _create_servers(self) -> None:
        """Store servers in the database: without glance, none can boot."""
        script = 'console_svc.tests.integration.nova_servers'
        subprocess.run(
            [sys.executable, '-W', 'ignore', '-m', script, self._file],
            input=yaml.safe_dump(dict(self._servers)),
            text=True,
            check=True,
            capture_output=True,
        )
