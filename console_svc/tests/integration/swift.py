# SPDX-License-Identifier: Apache-2.0

"""A real Swift in a temporary folder: one replica, with its S3 API."""

import getpass
import pathlib
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import fixtures

from console_svc.tests.integration.keystone import PASSWORD, Keystone
from console_svc.tests.programs import process

#: The credential of the S3 API.
ACCESS_KEY: Final = 'test:s3'
SECRET_KEY: Final = 'swifts-s3-users-have-this-one'

# Debian's packages are those of its own Python.
_PYTHON: Final = '/usr/bin/python3'

# The arguments: a folder, then for each ring its name and the port of its
# only server.
_RINGS: Final = """
import sys
from swift.common.ring import RingBuilder

folder, *rings = sys.argv[1:]
for name, port in zip(rings[::2], rings[1::2]):
    builder = RingBuilder(1, 1, 1)
    builder.add_dev({
        'id': 0, 'region': 1, 'zone': 1, 'weight': 1, 'ip': '127.0.0.1',
        'port': int(port), 'replication_ip': '127.0.0.1',
        'replication_port': int(port), 'device': 'disk',
    })
    builder.rebalance()
    builder.get_ring().save(f'{folder}/{name}.ring.gz')
"""

_SERVER: Final = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
devices = {folder}
mount_check = false
disable_fallocate = true
# A listing that is not up to date after this would never be: nothing repeats
# the update.
conn_timeout = 100
node_timeout = 100
container_update_timeout = 100
"""

_STORAGE: Final = """\
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
conn_timeout = 100
node_timeout = 100
container_update_timeout = 100
"""

_PROXY: Final = """\
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats s3api \
authtoken keystoneauth tempauth slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
conn_timeout = 100
node_timeout = 100
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:cache]
use = egg:swift#memcache
# tempauth needs it.
memcache_servers = 127.0.0.1:{memcached}
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:slo]
use = egg:swift#slo
[filter:s3api]
use = egg:swift#s3api
auth_pipeline_check = false
[filter:tempauth]
use = egg:swift#tempauth
reseller_prefix = S3
user_{user} = {secret} .admin
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
auth_url = {keystone}
www_authenticate_uri = {keystone}
auth_type = password
username = console-svc
password = {password}
user_domain_id = default
project_name = service
project_domain_id = default
delay_auth_decision = true
# A revoked token is refused at once.
token_cache_time = -1
[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = service
"""


class Swift(fixtures.Fixture):
    """Swift with the shared keystone, whose catalogue has it.

    Users with the role "service" have containers.
    """

    def _setUp(self) -> None:
        self.keystone = process.shared(Keystone)
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (self.folder / 'disk').mkdir()
        (self.folder / 'swift.conf').write_text(
            '[swift-hash]\nswift_hash_path_suffix = integration\n'
        )
        ports = {
            name: process.free_port()
            for name in ('account', 'container', 'object', 'proxy')
        }
        self._memcached = process.free_port()
        memcached = self.useFixture(
            process.Program(
                [
                    'memcached',
                    *('-l', '127.0.0.1', '-p', str(self._memcached)),
                    *('-u', getpass.getuser()),
                ],
                self.folder / 'memcached.log',
            )
        )
        self.url = f'http://127.0.0.1:{ports["proxy"]}'
        rings = [
            str(it)
            for name, port in ports.items()
            if name != 'proxy'
            for it in (name, port)
        ]
        subprocess.run(
            [_PYTHON, '-c', _RINGS, self.folder, *rings],
            check=True,
            capture_output=True,
        )
        servers = {it: self._start(it, port) for it, port in ports.items()}
        for name, server in servers.items():
            server.wait_for(
                lambda name=name: process.listens(ports[name]),  # type: ignore
                f'the {name} server of Swift',
            )
        memcached.wait_for(
            lambda: process.listens(self._memcached), 'memcached'
        )
        self._proxy = servers['proxy']
        self._register()

    def _start(self, name: str, port: int) -> process.Program:
        text = (_PROXY if name == 'proxy' else _STORAGE).format(
            name=name,
            user=ACCESS_KEY.replace(':', '_'),
            secret=SECRET_KEY,
            keystone=self.keystone.url,
            password=PASSWORD,
            memcached=self._memcached,
        )
        file = self.folder / f'{name}.conf'
        file.write_text(
            _SERVER.format(
                port=port, user=getpass.getuser(), folder=self.folder
            )
            + text
        )
        return self.useFixture(
            process.Program(
                [f'swift-{name}-server', str(file), '--verbose'],
                self.folder / f'{name}.log',
            )
        )

    def _register(self) -> None:
        """Add it to the catalogue."""
        service = self.keystone.api(
            'POST',
            '/services',
            json={'service': {'type': 'object-store', 'name': 'swift'}},
        )['service']['id']
        self.addCleanup(self.keystone.api, 'DELETE', f'/services/{service}')
        endpoint = {
            'service_id': service,
            'interface': 'public',
            'region_id': 'RegionOne',
            'url': f'{self.url}/v1/AUTH_%(project_id)s',
        }
        self.keystone.api('POST', '/endpoints', json={'endpoint': endpoint})

    def options(self) -> dict[str, Any]:
        """Options of [swift]."""
        return {
            'auth_type': 'password',
            'auth_url': self.keystone.url,
            'username': 'proxy',
            'password': PASSWORD,
            'user_domain_id': 'default',
            'project_name': 'service',
            'project_domain_id': 'default',
        }

    def s3_options(self) -> dict[str, Any]:
        """Options of [s3]."""
        return {
            'endpoint_url': self.url,
            'access_key': ACCESS_KEY,
            'secret_key': SECRET_KEY,
        }

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Suspend it: it accepts connections, but does not answer."""
        self._proxy.signal_all(signal.SIGSTOP)
        try:
            yield
        finally:
            self._proxy.signal_all(signal.SIGCONT)
