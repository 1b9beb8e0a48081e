# SPDX-License-Identifier: Apache-2.0

"""The plugin must not import the service.

openstackclient loads it with every command.
"""

import subprocess
import sys

import testtools

_SCRIPT = """
import sys

from console_svc.osc import console_auth_token
from console_svc.osc import console_session
from console_svc.osc import plugin
from console_svc.osc import serial_console
from console_svc.osc import server_console

print(*sys.modules)
"""


class ImportsTest(testtools.TestCase):
    def test_only_the_plugin_is_imported(self) -> None:
        loaded = subprocess.run(
            [sys.executable, '-c', _SCRIPT],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        self.assertEqual(
            {'osc'},
            {
                name.split('.')[1]
                for name in loaded
                if name.startswith('console_svc.')
            },
        )
        self.assertEqual(set(), {'sqlalchemy', 'pecan'} & set(loaded))
