# SPDX-License-Identifier: Apache-2.0

"""Floods of requests to the API, whose answers the test holds back."""

import asyncio
import threading
import uuid
from collections.abc import Coroutine
from typing import Any

import testtools

from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.closer import Close
from console_svc.proxy.errors import Conflict, InvalidToken
from console_svc.tests.integration.stub import Answer
from console_svc.tests.unit.proxy.api import (
    ADDRESS,
    OPENED,
    PATIENCE,
    TOKEN,
    ApiTest,
)

CLOSE = Close(str(OPENED['id']), 'client_closed', 1, 2)


class FloodTest(ApiTest):
    """The API opens sessions for one token only.

    Requests whose path ends with :attr:`held` wait for :attr:`released`, and
    so do those that close sessions if :attr:`holds_closes` is set.
    """

    def setUp(self) -> None:
        self.held = 'none'
        self.holds_closes = False
        self.released = threading.Event()
        super().setUp()
        # First, so that a failed test does not wait for its flood.
        self.addCleanup(self.released.set)

    def respond(self, method: str, path: str) -> Answer:
        if path.endswith(self.held) or (
            self.holds_closes and self.is_close(method)
        ):
            self.released.wait(PATIENCE)
        if path.endswith('/sessions') and TOKEN not in path:
            return Answer(404)
        return super().respond(method, path)

    def test_an_open_waits_for_closes_that_may_be_the_reason(self) -> None:
        """A client can see its close before the API, and connect again."""
        self.holds_closes = True
        self.opened = Answer(409, {'conflictingRequest': {'message': 'full'}})
        self.run_(self.check_open_after_close())
        self.assertEqual(2, len(self.sent('POST')))

    async def check_open_after_close(self) -> None:
        closing = asyncio.create_task(self.api.close(CLOSE))
        while not self.closed():
            await asyncio.sleep(0.01)
        opening = asyncio.create_task(self.api.open(TOKEN, ADDRESS))
        while not self.sent('POST'):
            await asyncio.sleep(0.01)
        self.assertFalse(opening.done())
        self.opened = Answer(201, {'session': OPENED})
        self.released.set()
        self.assertEqual(OPENED['id'], (await opening).id)
        await closing

    def test_an_open_without_closes_is_refused_at_once(self) -> None:
        self.opened = Answer(409, {'conflictingRequest': {'message': 'full'}})
        with testtools.ExpectedException(Conflict):
            self.run_(self.api.open(TOKEN, ADDRESS))
        self.assertEqual(1, len(self.sent('POST')))

    def test_clients_that_stop_waiting_give_back_their_turns(self) -> None:
        self.run_(self.check_waiting())

    async def check_waiting(self) -> None:
        self.held = f'{"x" * 30}/sessions'
        others = [
            asyncio.create_task(
                self.api.open(f'{number:013}{"x" * 30}', f'192.0.2.{number}')
            )
            for number in range(16)
        ]
        while len(self.sent('POST')) < 16:
            await asyncio.sleep(0.01)
        *turns, waiting = (
            asyncio.create_task(self.api.open(TOKEN, ADDRESS))
            for _ in range(5)
        )
        # They start, and wait.
        await asyncio.sleep(0)
        for turn in turns:
            turn.cancel()
        await asyncio.wait(turns)
        self.released.set()
        self.assertEqual(OPENED['id'], (await waiting).id)
        await asyncio.wait(others)

    def log_in(
        self, address: str = ADDRESS
    ) -> Coroutine[Any, Any, OpenedSession]:
        return self.api.log_in({'port': 5901}, bytes(16), bytes(16), address)

    def test_what_cannot_be_a_token_needs_no_request(self) -> None:
        self.run_(self.check_malformed())
        self.assertEqual([], self.sent())

    async def check_malformed(self) -> None:
        with testtools.ExpectedException(InvalidToken):
            await self.api.open('unknown', ADDRESS)

    def test_a_refused_token_needs_no_second_request(self) -> None:
        self.run_(self.check_refused())
        self.assertEqual(1, len(self.sent('POST')))

    async def check_refused(self) -> None:
        for address in ADDRESS, '192.0.2.2':
            with testtools.ExpectedException(InvalidToken):
                await self.api.open('x' * 43, address)

    def test_a_flood_from_one_address_delays_no_other(self) -> None:
        self.run_(self.check_other_address())

    async def check_other_address(self) -> None:
        self.held = f'{"x" * 30}/sessions'
        flood = [
            asyncio.create_task(
                self.api.open(f'{number:013}{"x" * 30}', ADDRESS)
            )
            for number in range(200)
        ]
        while len(self.sent('POST')) < 4:
            await asyncio.sleep(0.01)
        opened = await self.api.open(TOKEN, '192.0.2.2')
        self.assertEqual(OPENED['id'], opened.id)
        self.assertEqual(5, len(self.sent('POST')))
        self.released.set()
        for outcome in await asyncio.gather(*flood, return_exceptions=True):
            self.assertIsInstance(outcome, InvalidToken)

    def test_a_flood_of_log_ins_delays_no_open(self) -> None:
        self.run_(self.check_other_kind())

    async def check_other_kind(self) -> None:
        self.held = 'authentications'
        flood = [
            asyncio.ensure_future(self.log_in(f'192.0.2.{number}'))
            for number in range(40)
        ]
        while len(self.sent('POST')) < 16:
            await asyncio.sleep(0.01)
        await self.api.open(TOKEN, ADDRESS)
        # A session that has ended does not wait, either.
        await self.api.close(CLOSE)
        self.released.set()
        await asyncio.gather(*flood)

    def test_a_flood_of_opens_delays_neither_closes_nor_keep_alives(
        self,
    ) -> None:
        self.run_(self.check_other_requests())

    async def check_other_requests(self) -> None:
        self.held = f'{"x" * 30}/sessions'
        flood = [
            asyncio.create_task(
                self.api.open(f'{number:013}{"x" * 30}', f'192.0.2.{number}')
            )
            for number in range(16)
        ]
        while len(self.sent('POST')) < 16:
            await asyncio.sleep(0.01)
        await self.api.close(CLOSE)
        await self.api.keep([OPENED['id']])
        self.assertFalse(any(it.done() for it in flood))
        self.released.set()
        await asyncio.gather(*flood, return_exceptions=True)

    def test_a_thousand_closes_are_few_requests(self) -> None:
        self.run_(self.check_closes())
        # 500 each, after the first.
        self.assertEqual(4, len(self.sent('PUT')))
        self.assertEqual([], self.sent('DELETE'))
        self.assertEqual(
            sorted([OPENED['id'], *self.many]), sorted(self.closed())
        )

    async def check_closes(self) -> None:
        self.holds_closes = True
        first = asyncio.create_task(self.api.close(CLOSE))
        while not self.closed():
            await asyncio.sleep(0.01)
        # More than a request can have.
        self.many = [str(uuid.uuid4()) for _ in range(1002)]
        closes = [
            asyncio.create_task(self.api.close(Close(session_id, 'error')))
            for session_id in self.many
        ]
        await asyncio.sleep(0.01)
        self.assertEqual(1, len(self.sent('PUT')))
        self.assertFalse(any(it.done() for it in closes))
        self.released.set()
        await asyncio.gather(first, *closes)

    def test_clients_that_leave_get_no_further_turns(self) -> None:
        self.run_(self.check_turns())

    async def check_turns(self) -> None:
        self.held = 'authentications'
        for _ in range(3):
            flood = [asyncio.ensure_future(self.log_in()) for _ in range(9)]
            while len(self.sent('POST')) < 4:
                await asyncio.sleep(0.01)
            for _ in range(5):
                await asyncio.sleep(0.01)
            for each in flood:
                each.cancel()
            await asyncio.gather(*flood, return_exceptions=True)
        self.assertEqual(4, len(self.sent('POST')))

    def test_only_requests_that_were_sent_are_closed(self) -> None:
        self.run_(self.check_closed())
        self.run_(self.api.stop())
        self.assertEqual(16, len(self.sent('POST')))
        self.assertEqual(sorted(self.ids()), sorted(self.closed()))

    async def check_closed(self) -> None:
        self.held = 'authentications'
        # Of each address, one waits for its turn; of the fifth address, all
        # wait for a slot.
        flood = [
            asyncio.ensure_future(self.log_in(f'192.0.2.{number}'))
            for number in range(5)
            for _ in range(5)
        ]
        while len(self.sent('POST')) < 16:
            await asyncio.sleep(0.01)
        for each in flood:
            each.cancel()
        await asyncio.gather(*flood, return_exceptions=True)
        self.released.set()
