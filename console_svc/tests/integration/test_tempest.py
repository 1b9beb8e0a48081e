# SPDX-License-Identifier: Apache-2.0

"""Tempest's tests of consoles, with the API, the console proxy and QEMU."""

import os
import pathlib
import subprocess
import sys
from typing import Any, ClassVar

import yaml

from console_svc.tests import fixtures
from console_svc.tests.integration import libvirtd
from console_svc.tests.integration.base import KeystoneTest
from console_svc.tests.integration.keystone import PASSWORD
from console_svc.tests.integration.libvirtd import Libvirtd
from console_svc.tests.integration.service import Service, console_api
from console_svc.tests.programs import process
from console_svc.tests.programs.proxy import Proxy

_CLASSES = 'console_svc.tests.integration.tempest_consoles'

_CONFIGURATION = """\
[auth]
use_dynamic_credentials = false
test_accounts_file = {folder}/accounts.yaml
[compute]
{compute}
[compute-feature-enabled]
spice_console = true
vnc_console = true
[identity]
auth_version = v3
region = RegionOne
uri_v3 = {keystone}
[oslo_concurrency]
lock_path = {folder}/locks
[service_available]
cinder = false
# Administrators need a client of glance, and servers a network of neutron,
# though the tests use neither.
glance = true
neutron = true
nova = true
swift = false
[validation]
run_validation = false
"""


class TempestTest(KeystoneTest):
    proxy_: ClassVar[Proxy]

    @classmethod
    def start(cls) -> Service:  # type: ignore[override]
        libvirtd.quiet()
        guest = Libvirtd()
        guest.setUp()
        cls.addClassCleanup(guest.cleanUp)
        guest.domain(
            fixtures.SERVER,
            'instance-00000001',
            cls.keystone.projects['demo'],
            password='',
            spice=True,
        )
        port = process.free_port()
        pages = f'http://127.0.0.1:{port}'
        cls.OPTIONS = {
            'compute': {'driver': 'libvirt'},
            'libvirt': {'hosts': f'compute-1={guest.uri}', 'timeout': 20},
            'vnc': {'novncproxy_base_url': f'{pages}/vnc_lite.html'},
            'spice': {'spice_direct_proxy_base_url': f'{pages}/spice.vv'},
        }
        service = super().start()
        # Tempest finds the API in the catalogue, and so does the proxy.
        cls.addClassCleanup(cls.keystone.add_compute(service.url))
        proxy = Proxy(
            service,
            console_api(cls.keystone),
            port=port,
        )
        proxy.setUp()
        cls.addClassCleanup(proxy.cleanUp)
        return service

    def run_tempest(self, *tests: str, **compute: Any) -> None:
        """Run tests of tempest, and check that none is skipped.

        :param tests: class and test
        :param compute: options of tempest's group [compute]
        """
        folder = pathlib.Path(
            self.useFixture(fixtures.fixtures.TempDir()).path
        )
        (folder / 'tempest.conf').write_text(
            _CONFIGURATION.format(
                folder=folder,
                keystone=self.keystone.url,
                compute='\n'.join(f'{it} = {compute[it]}' for it in compute),
            )
        )
        (folder / 'accounts.yaml').write_text(
            yaml.safe_dump(
                [
                    {
                        'username': user,
                        'password': PASSWORD,
                        'project_name': project,
                        'domain_name': 'Default',
                        'roles': [role],
                    }
                    for user, project, role in (
                        ('member', 'demo', 'member'),
                        ('reader', 'demo', 'reader'),
                        ('admin', 'admin', 'admin'),
                    )
                ]
            )
        )
        run = subprocess.run(
            [sys.executable, '-m', 'unittest']
            + [f'{_CLASSES}.{test}' for test in tests],
            cwd=folder,
            env={
                **os.environ,
                'PYTHONPATH': os.pathsep.join(filter(None, sys.path)),
                'TEMPEST_CONFIG_DIR': str(folder),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        last = run.stdout.strip().splitlines()[-1]
        self.assertEqual('OK', last, run.stdout)
        self.assertIn(f'Ran {len(tests)} tests in', run.stdout)

    def test_actions_of_the_first_microversion(self) -> None:
        self.run_tempest(
            'ServerActions.test_get_vnc_console',
            'NoVNC.test_novnc',
            'NoVNC.test_novnc_bad_token',
        )

    def test_remote_consoles_of_the_last_microversion(self) -> None:
        self.run_tempest(
            'NoVNC.test_novnc',
            'NoVNC.test_novnc_bad_token',
            'SpiceDirect.test_spice_direct',
            min_microversion='2.99',
            max_microversion='latest',
        )
