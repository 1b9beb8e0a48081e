# SPDX-License-Identifier: Apache-2.0

import logging

import fixtures
import testtools
from osc_lib import exceptions

from console_svc.osc import base

LOG = logging.getLogger(__name__)


class CallEachTest(testtools.TestCase):
    def test_all_calls_are_made_when_some_fail(self) -> None:
        called = []

        def call(number: int) -> None:
            called.append(number)
            if number < 3:
                raise exceptions.CommandError(f'reason {number}')

        logger = self.useFixture(fixtures.FakeLogger(__name__))
        error = self.assertRaises(
            exceptions.CommandError,
            base.call_each,
            [
                ('console 1', lambda: call(1)),
                ('console 2', lambda: call(2)),
                ('console 3', lambda: call(3)),
            ],
            *('delete', 'consoles', LOG),
        )
        self.assertEqual([1, 2, 3], called)
        self.assertEqual('2 of 3 consoles failed to delete.', str(error))
        self.assertEqual(
            'Failed to delete console 1: reason 1\n'
            'Failed to delete console 2: reason 2\n',
            logger.output,
        )


class ShowTest(testtools.TestCase):
    def test_fields_are_sorted(self) -> None:
        self.assertEqual(
            (['host', 'id', 'port'], ['192.0.2.10', None, 1]),
            base.show({'id': None, 'port': 1, 'host': '192.0.2.10'}),
        )
