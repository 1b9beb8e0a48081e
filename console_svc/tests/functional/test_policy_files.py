# SPDX-License-Identifier: Apache-2.0

"""Edits of policy files take effect without a restart."""

import os
import time

import testtools

from console_svc.tests import fixtures

LISTING = f'/v2.1/servers/{fixtures.SERVER}/consoles'


class PolicyFilesTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.api = self.useFixture(fixtures.Api())
        self._writes = 0

    def test_edits_of_the_policy_file_take_effect(self) -> None:
        self.assertEqual(200, self.api.request('GET', LISTING).status_int)
        self._write_policy('"os_compute_api:os-consoles:index": "role:admin"')
        self.assertEqual(403, self.api.request('GET', LISTING).status_int)
        admin = self.api.request('GET', LISTING, token=fixtures.ADMIN)
        self.assertEqual(200, admin.status_int)

    def test_a_broken_policy_file_changes_nothing(self) -> None:
        rule = '"os_compute_api:os-consoles:index": "role:admin"'
        self._write_policy(rule)
        self.assertEqual(403, self.api.request('GET', LISTING).status_int)
        self._write_policy(f'{rule}\n: : [')
        for _ in range(3):
            self.assertEqual(403, self.api.request('GET', LISTING).status_int)
            admin = self.api.request('GET', LISTING, token=fixtures.ADMIN)
            self.assertEqual(200, admin.status_int)
        self._write_policy('"os_compute_api:os-consoles:index": "@"')
        self.assertEqual(200, self.api.request('GET', LISTING).status_int)

    def test_rules_of_a_deleted_policy_file_end(self) -> None:
        self._write_policy('"os_compute_api:os-consoles:index": "role:admin"')
        self.assertEqual(403, self.api.request('GET', LISTING).status_int)
        self.api.policy.unlink()
        self.assertEqual(200, self.api.request('GET', LISTING).status_int)

    def test_files_in_policy_dirs_take_effect(self) -> None:
        folder = self.api.folder / 'more-rules'
        folder.mkdir()
        api = self.useFixture(
            fixtures.Api(oslo_policy={'policy_dirs': folder})
        )
        self.assertEqual(200, api.request('GET', LISTING).status_int)
        (folder / 'one.yaml').write_text(
            '"os_compute_api:os-consoles:index": "role:admin"'
        )
        deadline = time.monotonic() + 60
        while api.request('GET', LISTING).status_int != 403:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)

    def _write_policy(self, text: str) -> None:
        # Each write needs a later time stamp, however fast the test is.
        self._writes += 1
        self.api.policy.write_text(text)
        state = self.api.policy.stat()
        later = state.st_mtime + self._writes
        os.utime(self.api.policy, (later, later))
