# SPDX-License-Identifier: Apache-2.0

"""Floods of requests to the API, whose answers the test holds back."""

import asyncio
import threading
from collections.abc import Awaitable
from typing import Any

import fixtures as fixtures_
import requests
import testtools

from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.console_api import ConsoleApi
from console_svc.proxy.errors import InvalidToken
from console_svc.tests import fixtures

TOKEN = 'oV8rRZ0mQ2nYwTt3b1aXcFh5kLs7uEiJpD9gGqNvMxw'
ADDRESS = '192.0.2.1'


class Api:
    """An adapter for an API that opens a session for one token only.

    Requests whose path ends with :attr:`held` wait for :attr:`released`.
    """

    def __init__(self) -> None:
        self.held = 'none'
        self.released = threading.Event()
        #: Ids of the requests to close a session.
        self.closed: list[str] = []
        #: Those of the other requests.
        self.paths: list[str] = []

    def request(self, path: str, method: str, **_: Any) -> requests.Response:
        answer = requests.Response()
        if method == 'DELETE':
            self.closed.append(path.rpartition('/')[2])
            answer.status_code, answer._content = 204, b''
            return answer
        self.paths.append(path)
        if path.endswith(self.held):
            self.released.wait(60)
        answer.status_code, answer._content = 404, b'{}'
        if TOKEN in path or 'authentications' in path:
            answer.status_code = 201
            answer._content = (
                b'{"session": {"id": "an-id", "instance_uuid": "", '
                b'"console_type": "vnc", "host": "", "port": 1, '
                b'"internal_access_path": null, "expires": null}}'
            )
        return answer


class FloodTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.adapter = Api()
        self.useFixture(
            fixtures_.MockPatch(
                'console_svc.rest_client.load', return_value=self.adapter
            )
        )
        conf = self.useFixture(fixtures.Configuration()).conf
        self.api = ConsoleApi(conf)
        self.addCleanup(self.api.stop)
        # First, so that a failed test does not wait for its flood.
        self.addCleanup(self.adapter.released.set)

    def log_in(self, address: str = ADDRESS) -> Awaitable[OpenedSession]:
        return self.api.log_in({'port': 5901}, bytes(16), bytes(16), address)

    def run_(self, test: Any) -> None:
        asyncio.run(asyncio.wait_for(test, 60))

    def test_what_cannot_be_a_token_needs_no_request(self) -> None:
        self.run_(self.check_malformed())
        self.assertEqual([], self.adapter.paths)

    async def check_malformed(self) -> None:
        with testtools.ExpectedException(InvalidToken):
            await self.api.open('unknown', ADDRESS)

    def test_a_refused_token_needs_no_second_request(self) -> None:
        self.run_(self.check_refused())
        self.assertEqual(1, len(self.adapter.paths))

    async def check_refused(self) -> None:
        for address in ADDRESS, '192.0.2.2':
            with testtools.ExpectedException(InvalidToken):
                await self.api.open('x' * 43, address)

    def test_a_flood_from_one_address_delays_no_other(self) -> None:
        self.run_(self.check_other_address())

    async def check_other_address(self) -> None:
        self.adapter.held = f'{"x" * 30}/sessions'
        flood = [
            asyncio.create_task(
                self.api.open(f'{number:013}{"x" * 30}', ADDRESS)
            )
            for number in range(200)
        ]
        while len(self.adapter.paths) < 4:
            await asyncio.sleep(0.01)
        opened = await self.api.open(TOKEN, '192.0.2.2')
        self.assertEqual('an-id', opened.id)
        self.assertEqual(5, len(self.adapter.paths))
        self.adapter.released.set()
        for outcome in await asyncio.gather(*flood, return_exceptions=True):
            self.assertIsInstance(outcome, InvalidToken)

    def test_a_flood_of_log_ins_delays_no_open(self) -> None:
        self.run_(self.check_other_kind())

    async def check_other_kind(self) -> None:
        self.adapter.held = 'authentications'
        flood = [
            asyncio.ensure_future(self.log_in(f'192.0.2.{number}'))
            for number in range(40)
        ]
        await asyncio.sleep(0)
        await self.api.open(TOKEN, ADDRESS)
        # A session that has ended does not wait, either.
        await self.api.close('an-id')
        self.adapter.released.set()
        await asyncio.gather(*flood)

    def test_clients_that_leave_get_no_further_turns(self) -> None:
        self.run_(self.check_turns())

    async def check_turns(self) -> None:
        self.adapter.held = 'authentications'
        for _ in range(3):
            flood = [asyncio.ensure_future(self.log_in()) for _ in range(9)]
            while len(self.adapter.paths) < 4:
                await asyncio.sleep(0.01)
            for _ in range(5):
                await asyncio.sleep(0.01)
            for each in flood:
                each.cancel()
            await asyncio.gather(*flood, return_exceptions=True)
        self.assertEqual(4, len(self.adapter.paths))

    def test_only_requests_that_were_sent_are_closed(self) -> None:
        self.run_(self.check_closed())
        self.api.stop()
        self.assertEqual(16, len(self.adapter.paths))
        self.assertEqual(16, len(set(self.adapter.closed)))
        self.assertEqual(16, len(self.adapter.closed))

    async def check_closed(self) -> None:
        self.adapter.held = 'authentications'
        # Of each address, one waits for its turn; of the fifth address, all
        # wait for a thread.
        flood = [
            asyncio.ensure_future(self.log_in(f'192.0.2.{number}'))
            for number in range(5)
            for _ in range(5)
        ]
        while len(self.adapter.paths) < 16:
            await asyncio.sleep(0.01)
        for each in flood:
            each.cancel()
        await asyncio.gather(*flood, return_exceptions=True)
        self.adapter.released.set()
