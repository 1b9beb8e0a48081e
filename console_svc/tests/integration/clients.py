# SPDX-License-Identifier: Apache-2.0

"""Base class of tests of clients that use keystone's catalog."""

import os
import subprocess

import testtools

from console_svc.tests.integration.keystone import PASSWORD, Keystone
from console_svc.tests.integration.service import Service, authtoken
from console_svc.tests.programs import process


class ClientsTestCase(testtools.TestCase):
    """Tests with keystone and, in its catalog, the service without nova."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.keystone = process.shared(Keystone)
        cls.service = Service(
            projects=cls.keystone.projects,
            api={'auth_strategy': 'keystone'},
            # No proxy keeps the sessions alive, and commands are slow on a
            # busy machine.
            consoleauth={'session_lapse': 600},
            keystone_authtoken=authtoken(cls.keystone),
        )
        cls.service.setUp()
        cls.addClassCleanup(cls.service.cleanUp)
        # Other test classes share this keystone.
        cls.addClassCleanup(cls.keystone.add_compute(cls.service.url))

    def openstack(
        self,
        *arguments: str,
        user: str = 'member',
        project: str = 'demo',
        stdin: str | None = None,
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run the openstack command.

        :param environment: variables that replace the defaults, which are
            those of a user with a password
        """
        return subprocess.run(
            [process.program('openstack'), *arguments],
            env={
                **os.environ,
                'OS_AUTH_URL': self.keystone.url,
                'OS_USERNAME': user,
                'OS_PASSWORD': PASSWORD,
                'OS_PROJECT_NAME': project,
                'OS_USER_DOMAIN_ID': 'default',
                'OS_PROJECT_DOMAIN_ID': 'default',
                'OS_REGION_NAME': 'RegionOne',
                'OS_IDENTITY_API_VERSION': '3',
                **environment,
            },
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
        )
