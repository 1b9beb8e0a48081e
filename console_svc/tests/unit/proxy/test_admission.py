# SPDX-License-Identifier: Apache-2.0

import asyncio
import gc
from typing import Any

import testtools

from console_svc.proxy.admission import RefusedTokens, Turns
from console_svc.proxy.errors import InvalidToken, TryAgainLater
from console_svc.tests import fixtures

TOKEN = 'oV8rRZ0mQ2nYwTt3b1aXcFh5kLs7uEiJpD9gGqNvMxw'


class RefusedTokensTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.now = 0.0
        self.tokens = RefusedTokens(lambda: self.now)

    def test_what_cannot_be_a_token_is_refused(self) -> None:
        self.tokens.check(TOKEN)
        for length in 43, 44:
            self.tokens.check('-' * length)
        for token in (
            '',
            'unknown',
            TOKEN[1:],
            f'{TOKEN}xx',
            f'{TOKEN}\n',
            f'{TOKEN[1:]}=',
            f'{TOKEN[1:]}\u0663',
            '5f3d1f8e-9c8e-4a57-9a0c-4dd8e3f1c001',
        ):
            self.assertRaises(InvalidToken, self.tokens.check, token)

    def test_refusals_are_remembered_for_seconds(self) -> None:
        self.tokens.add(TOKEN)
        self.tokens.check(TOKEN[::-1])
        self.now = 4.9
        self.assertRaises(InvalidToken, self.tokens.check, TOKEN)
        self.now = 5
        self.tokens.check(TOKEN)

    def test_the_newest_refusals_are_remembered(self) -> None:
        for number in range(10_001):
            self.tokens.add(f'{number:043}')
        self.tokens.check(f'{0:043}')
        for number in 1, 10_000:
            self.assertRaises(InvalidToken, self.tokens.check, f'{number:043}')


class TurnsTest(testtools.TestCase):
    def turns(self) -> Turns:
        configuration = self.useFixture(
            fixtures.Configuration(proxy={'max_opens_per_address': 2})
        )
        return Turns(configuration.conf)

    def run_(self, test: Any) -> None:
        asyncio.run(asyncio.wait_for(test, 60))

    def test_an_address_has_a_number_of_turns(self) -> None:
        self.run_(self.check_turns(self.turns()))

    async def check_turns(self, turns: Turns) -> None:
        for address, same, other in (
            ('192.0.2.1', '192.0.2.1', '192.0.2.2'),
            ('2001:db8::1', '2001:db8::2:0:0:1', '2001:db8:0:1::1'),
            ('::ffff:192.0.2.3', '::ffff:192.0.2.3', '::ffff:192.0.2.4'),
            ('unknown', 'unknown', ''),
        ):
            taken = [await turns.take(address) for _ in range(2)]
            third = asyncio.create_task(turns.take(same))
            # Other addresses do not wait.
            taken.append(await turns.take(other))
            for _ in range(5):
                await asyncio.sleep(0)
            self.assertFalse(third.done())
            taken[0].release()
            await third

    def test_a_turn_that_takes_too_long_is_refused(self) -> None:
        turns = self.turns()
        turns._timeout = 0
        self.run_(self.check_timeout(turns))

    async def check_timeout(self, turns: Turns) -> None:
        taken = [await turns.take('192.0.2.1') for _ in range(2)]
        with testtools.ExpectedException(TryAgainLater):
            await turns.take('192.0.2.1')
        taken[0].release()
        await turns.take('192.0.2.1')

    def test_addresses_are_forgotten(self) -> None:
        turns = self.turns()
        self.run_(turns.take('192.0.2.1'))
        gc.collect()
        self.assertEqual(0, len(turns._semaphores))
