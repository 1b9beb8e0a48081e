# SPDX-License-Identifier: Apache-2.0

import logging
import threading
from types import SimpleNamespace
from typing import Any
from unittest import mock

import fixtures
import testtools

from console_svc import background
from console_svc.consoles.purge import Purge

PATIENCE = 60


class BackgroundTest(testtools.TestCase):
    """Failed rounds are logged and counted, and others follow."""

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.ERROR))
        self.failed = mock.Mock()
        self.second = threading.Event()
        self.calls = 0

    def act(self, *arguments: Any) -> bool:
        """Fail in the first round; the second one does not end."""
        self.calls += 1
        if self.calls == 1:
            raise SystemExit('the first round')
        self.second.set()
        threading.Event().wait()
        return False

    def check(self, name: str) -> None:
        self.assertTrue(self.second.wait(PATIENCE))
        self.assertIn('Traceback', self.log.output)
        self.assertIn('SystemExit: the first round', self.log.output)
        self.assertEqual([mock.call(name)], self.failed.mock_calls)

    def test_failed_rounds_are_repeated(self) -> None:
        background.repeat('purge', self.act, self.failed, pause=0)
        self.check('purge')

    def test_the_purge_is_repeated(self) -> None:
        conf: Any = SimpleNamespace(
            consoleauth=SimpleNamespace(
                purge_interval=0,
                session_lapse=0,
                resume_time=0,
                history_days=0,
            )
        )
        database: Any = SimpleNamespace(take_lease=self.act)
        unused: Any = None
        Purge(
            conf, database, unused, unused, unused, failed=self.failed
        ).start()
        self.check('purge')
