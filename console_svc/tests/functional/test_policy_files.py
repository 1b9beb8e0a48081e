# SPDX-License-Identifier: Apache-2.0

"""Edits of policy files take effect without a restart."""

import logging
import os
import shutil
import time

import fixtures as fixtures_
import testtools

from console_svc.api import app
from console_svc.tests import fixtures
from console_svc.tests.programs import process

NAME = '"os_compute_api:os-consoles:index"'
RULE = f'{NAME}: "role:admin"'
LISTING = f'/v2.1/servers/{fixtures.SERVER}/consoles'


class PolicyFilesTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.api = self.useFixture(fixtures.Api())
        self._writes = 0

    def test_edits_of_the_policy_file_take_effect(self) -> None:
        self.assertEqual(200, self.api.request('GET', LISTING).status_int)
        self._write_policy(RULE)
        self.assertEqual(403, self.api.request('GET', LISTING).status_int)
        admin = self.api.request('GET', LISTING, token=fixtures.ADMIN)
        self.assertEqual(200, admin.status_int)

    def test_a_broken_policy_file_changes_nothing(self) -> None:
        rule = RULE
        self._write_policy(rule)
        self.assertEqual(403, self.api.request('GET', LISTING).status_int)
        self._write_policy(f'{rule}\n: : [')
        for _ in range(3):
            self.assertEqual(403, self.api.request('GET', LISTING).status_int)
            admin = self.api.request('GET', LISTING, token=fixtures.ADMIN)
            self.assertEqual(200, admin.status_int)
        self._write_policy('"os_compute_api:os-consoles:index": "@"')
        self.assertEqual(200, self.api.request('GET', LISTING).status_int)

    def test_rules_of_a_lost_policy_file_stay(self) -> None:
        log = self.useFixture(fixtures_.FakeLogger(level=logging.ERROR))
        policy = self.api.policy
        for lose in (
            policy.unlink,
            lambda: self._write_policy(''),
            lambda: (policy.unlink(), policy.mkdir()),
            lambda: self._write_bytes(b'\xff\xfe'),
        ):
            self._write_policy(RULE)
            self.assertEqual(403, self.api.request('GET', LISTING).status_int)
            before = len(log.output)
            lose()
            for _ in range(3):
                answer = self.api.request('GET', LISTING)
                self.assertEqual(403, answer.status_int)
            logged = log.output[before:]
            self.assertEqual(1, logged.count('last good content'), logged)
            self.assertIn(str(policy), logged)
            if policy.is_dir():
                policy.rmdir()
        for text in ('{}', '# no rules'):
            self._write_policy(RULE)
            self.assertEqual(403, self.api.request('GET', LISTING).status_int)
            self._write_policy(text)
            self.assertEqual(200, self.api.request('GET', LISTING).status_int)

    def test_rules_of_odd_shapes_change_nothing(self) -> None:
        self._write_policy(RULE)
        self.assertEqual(403, self.api.request('GET', LISTING).status_int)
        for text in (
            *(f'{NAME}: {it}' for it in ('true', 'false', 'null', '', '1')),
            *(f'{NAME}: {it}' for it in ('{a: b}', '[1]', '[[[]]]', '[null]')),
            '1: "@"',
            '- a list',
            'a text',
            '5',
            'true',
        ):
            self._write_policy(text)
            answer = self.api.request('GET', LISTING)
            self.assertEqual(403, answer.status_int, text)
        for text in ('[]', '["role:reader"]', '[["role:reader", "@"]]'):
            self._write_policy(f'{NAME}: {text}')
            self.assertEqual(200, self.api.request('GET', LISTING).status_int)

    def test_rules_that_cannot_be_checked_refuse(self) -> None:
        port = process.free_port()
        for text in (
            f'{NAME}: "rule:a"\n"a": "rule:b"\n"b": "rule:a"',
            f'{NAME}: "rule:{NAME}"',
            f'{NAME}: "http://127.0.0.1:{port}/"',
            f'{NAME}: "https://127.0.0.1:{port}/"',
            f'{NAME}: "http:%(nothing)s"',
            f'{NAME}: "role:admin and and"',
            f'{NAME}: "(((("',
            f'{NAME}: "))"',
            f'{NAME}: "rule:nothing"',
            f'{NAME}: "what?"',
            f'{NAME}: "project_id:%(project_id"',
            '"context_is_admin": "rule:context_is_admin"',
        ):
            self._write_policy(text)
            for token in (fixtures.READER, 'rita:other:member'):
                answer = self.api.request('GET', LISTING, token=token)
                self.assertIn(answer.status_int, (200, 403, 404), text)
            if NAME in text:
                answer = self.api.request('GET', LISTING)
                self.assertEqual(403, answer.status_int, text)

    def test_files_in_policy_dirs_take_effect(self) -> None:
        folder = self.api.folder / 'more-rules'
        folder.mkdir()
        api = self.useFixture(
            fixtures.Api(oslo_policy={'policy_dirs': folder})
        )
        self.assertEqual(200, api.request('GET', LISTING).status_int)
        (folder / '.hidden.yaml').write_text('a text')
        (folder / 'folder.yaml').mkdir()
        (folder / 'one.yaml').write_text(RULE)
        self._wait_until(api, 403)
        # A later file overrides it.
        (folder / 'two.yaml').write_text(f'{NAME}: "@"')
        self._wait_until(api, 200)
        (folder / 'two.yaml').write_text('{}')
        self._wait_until(api, 403)

    def test_rules_of_lost_files_in_policy_dirs_stay(self) -> None:
        for number, lose in enumerate(
            (
                lambda folder: (folder / 'one.yaml').unlink(),
                lambda folder: (folder / 'one.yaml').write_text(''),
                shutil.rmtree,
                lambda folder: (shutil.rmtree(folder), folder.write_text('')),
            )
        ):
            folder = self.api.folder / f'rules-{number}'
            folder.mkdir()
            (folder / 'one.yaml').write_text(RULE)
            api = self.useFixture(
                fixtures.Api(oslo_policy={'policy_dirs': folder})
            )
            log = self.useFixture(fixtures_.FakeLogger(level=logging.ERROR))
            self.assertEqual(403, api.request('GET', LISTING).status_int)
            lose(folder)
            deadline = time.monotonic() + 60
            while 'last good content' not in log.output:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.1)
                answer = api.request('GET', LISTING)
                self.assertEqual(403, answer.status_int)

    def test_unusable_policy_files_stop_the_start(self) -> None:
        for text in (f'{NAME}: true', '- a list', None):
            if text is None:
                self.api.policy.unlink()
                self.api.policy.mkdir()
            else:
                self._write_policy(text)
            error = self.assertRaises(ValueError, app.build, self.api.conf)
            self.assertIn(str(self.api.policy), str(error))

    def _wait_until(self, api: fixtures.Api, status: int) -> None:
        deadline = time.monotonic() + 60
        while api.request('GET', LISTING).status_int != status:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)

    def _write_bytes(self, content: bytes) -> None:
        self._write_policy('x')
        self.api.policy.write_bytes(content)

    def _write_policy(self, text: str) -> None:
        # Each write needs a later time stamp, however fast the test is.
        self._writes += 1
        self.api.policy.write_text(text)
        state = self.api.policy.stat()
        later = state.st_mtime + self._writes
        os.utime(self.api.policy, (later, later))
