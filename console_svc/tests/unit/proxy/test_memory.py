# SPDX-License-Identifier: Apache-2.0

import asyncio
import gc
from unittest import mock

import testtools

from console_svc.proxy.memory import Memory


class MemoryTest(testtools.TestCase):
    def test_memory_is_returned_after_a_burst(self) -> None:
        ended = 0
        memory = Memory(lambda: ended)
        for more, is_returned in (
            (499, False),
            (1, True),
            # The last of the burst.
            (3, True),
            (0, False),
            (3, False),
            (500, True),
            # They may have been counted before they were freed.
            (0, True),
            (0, False),
        ):
            ended += more
            with mock.patch.object(gc, 'collect') as collect:
                asyncio.run(memory.trim())
            self.assertEqual(is_returned, collect.called, (ended, more))
