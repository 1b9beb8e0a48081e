# SPDX-License-Identifier: Apache-2.0

import asyncio
import logging
from unittest import mock

import fixtures
import testtools

from console_svc.proxy import background
from console_svc.proxy.background import MAX_FAILURES, BackgroundTask
from console_svc.proxy.monitoring import Metrics


class BackgroundTaskTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.ERROR))
        self.metrics = mock.Mock(spec=Metrics)
        self.rounds = 0

    def run_until_it_ends(self, *good: int) -> BackgroundTask:
        """Run a task whose rounds fail, but for some.

        :param good: the numbers of the rounds that succeed
        """

        async def act() -> None:
            self.rounds += 1
            if self.rounds not in good:
                raise RuntimeError(f'round {self.rounds}')

        task = BackgroundTask('keep', act, 0, self.metrics)
        self.assertRaises(RuntimeError, asyncio.run, task.run())
        return task

    def test_failed_round_is_repeated(self) -> None:
        """Successes reset the count."""
        good = MAX_FAILURES
        self.run_until_it_ends(good)
        self.assertEqual(good + MAX_FAILURES, self.rounds)

    def test_failures_are_logged_and_counted(self) -> None:
        task = self.run_until_it_ends()
        self.assertEqual(
            [mock.call.unexpected('keep')] * MAX_FAILURES,
            self.metrics.mock_calls,
        )
        for number in range(1, MAX_FAILURES + 1):
            self.assertIn(f'RuntimeError: round {number}', self.log.output)
        self.assertIn('Traceback', self.log.output)
        self.assertEqual('keep', background.failing([task]))

    def test_successful_tasks_are_not_failing(self) -> None:
        async def act() -> None:
            raise AssertionError('it does not run')

        task = BackgroundTask('keep', act, 0, self.metrics)
        self.assertIsNone(background.failing([task]))
