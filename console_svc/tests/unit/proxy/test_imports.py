# SPDX-License-Identifier: Apache-2.0

"""The proxy knows nothing of the API's rooms, nor of a database."""

import subprocess
import sys

import testtools

_SCRIPT = """
import sys

from console_svc.proxy import worker

print(*sys.modules)
"""


class ImportsTest(testtools.TestCase):
    def test_what_is_loaded(self) -> None:
        loaded = set(
            subprocess.run(
                [sys.executable, '-c', _SCRIPT],
                check=True,
                capture_output=True,
                text=True,
            ).stdout.split()
        )
        rooms = {'proxy', 'api', 'compute', 'consoles', 'db', 'policy'}
        self.assertEqual(
            {'proxy'},
            {room for room in rooms if f'console_svc.{room}' in loaded},
        )
        self.assertEqual(
            set(), {'sqlalchemy', 'pecan', 'oslo_db.sqlalchemy'} & loaded
        )
