# SPDX-License-Identifier: Apache-2.0

import gc
import os
import sys
from unittest import mock

import fixtures
import testtools

from console_svc.cmd import proxy, start


class Started(Exception):
    """The program goes on to load its configuration."""


class MallocTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.useFixture(fixtures.EnvironmentVariable('PYTHONMALLOC'))
        self.useFixture(
            fixtures.MockPatchObject(start, 'load', side_effect=Started)
        )
        self.execute = self.useFixture(
            fixtures.MockPatchObject(os, 'execv')
        ).mock

    def test_program_executes_itself_once(self) -> None:
        arguments = [sys.executable, *sys.orig_argv[1:]]
        for _ in range(2):
            self.assertRaises(Started, proxy.main)
            self.assertEqual('malloc', os.environ['PYTHONMALLOC'])
        self.assertEqual(
            [mock.call(sys.executable, arguments)], self.execute.mock_calls
        )

    def test_program_starts_where_it_may_not_execute_itself(self) -> None:
        self.execute.side_effect = PermissionError
        self.assertRaises(Started, proxy.main)


class MemoryTest(testtools.TestCase):
    def test_workers_leave_the_memory_that_they_share(self) -> None:
        """The garbage collector would write to all objects."""
        self.addCleanup(gc.unfreeze)
        proxy._share_memory()
        self.assertLess(0, gc.get_freeze_count())
        self.assertNotIn(id(proxy.__dict__), map(id, gc.get_objects()))
