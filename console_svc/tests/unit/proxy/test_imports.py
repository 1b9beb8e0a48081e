# SPDX-License-Identifier: Apache-2.0

"""The proxy imports nothing of the API, and no database library."""

import subprocess
import sys

import testtools

_SCRIPT = """
import sys

from console_svc.proxy import worker

print(*sys.modules)
"""

_ALLOWED = {
    'addresses',
    'conf',
    'drivers',
    'forwarded',
    'origins',
    'prometheus',
    'protocols',
    'proxy',
    'recordings',
    'rest_client',
    'version',
    'watched_file',
}


class ImportsTest(testtools.TestCase):
    def test_no_api_and_no_database_library_is_imported(self) -> None:
        loaded = set(
            subprocess.run(
                [sys.executable, '-c', _SCRIPT],
                check=True,
                capture_output=True,
                text=True,
            ).stdout.split()
        )
        ours = {
            name.split('.')[1]
            for name in loaded
            if name.startswith('console_svc.')
        }
        self.assertIn('proxy', ours)
        self.assertEqual(set(), ours - _ALLOWED)
        self.assertEqual(
            set(), {'sqlalchemy', 'pecan', 'oslo_db.sqlalchemy'} & loaded
        )
