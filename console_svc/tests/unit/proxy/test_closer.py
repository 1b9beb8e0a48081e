# SPDX-License-Identifier: Apache-2.0

"""Which sessions a request closes, and what happens if it fails."""

import asyncio
from collections.abc import Mapping
from typing import Any
from unittest import mock

import testtools

from console_svc.proxy import closer
from console_svc.proxy.api_answers import Response
from console_svc.proxy.closer import Close, Closer
from console_svc.proxy.errors import ApiUnavailable


class Client:
    """A client of an API that answers when it is released."""

    def __init__(self) -> None:
        #: What each request closes: the ids of any number, or one id.
        self.requests: list[Any] = []
        #: Requests without an answer: now, and at most.
        self.running = self.most = 0
        #: All closes that were sent at once.
        self.closes: list[Mapping[str, Any]] = []
        self.released = asyncio.Event()
        self.statuses = {'DELETE': 204, 'PUT': 200}
        self.error: Exception | None = None

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Response:
        if body is None:
            self.requests.append(path.removeprefix('/console-sessions/'))
        else:
            closes = body['console_sessions']['closed']
            self.requests.append([it['id'] for it in closes])
            self.closes += closes
        self.running += 1
        self.most = max(self.most, self.running)
        await self.released.wait()
        self.running -= 1
        if self.error is not None:
            raise self.error
        return Response(self.statuses[method], {}, 0, None)


class CloserTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.runner = asyncio.Runner()
        self.addCleanup(self.runner.close)
        self.now = 0.0
        self.client = Client()
        self.closer = Closer(
            self.client,  # type: ignore[arg-type]
            lambda: self.now,
        )

    def close(self, *bursts: str) -> list[Any]:
        """Close sessions, of which each burst comes during a request.

        :returns: their outcomes
        """
        return self.runner.run(self._close(bursts))

    async def _close(self, bursts: tuple[str, ...]) -> list[Any]:
        self.client.released.clear()
        closes = []
        for burst in bursts:
            closes += [
                asyncio.create_task(
                    self.closer.close(Close(name, 'idle', 1, 2))
                )
                for name in burst
            ]
            # The tasks start, and the request.
            for _ in range(5):
                await asyncio.sleep(0)
        self.client.released.set()
        return await asyncio.gather(*closes, return_exceptions=True)

    def test_single_closes_are_sent_at_once(self) -> None:
        for name in 'ab':
            self.assertEqual([None], self.close(name))
        self.assertEqual([['a'], ['b']], self.client.requests)
        self.assertEqual(
            {'id': 'a', 'reason': 'idle', 'received': 1, 'sent': 2},
            self.client.closes[0],
        )

    def test_closes_during_a_request_are_one_request(self) -> None:
        self.assertEqual([None] * 5, self.close('a', 'bc', 'd', 'e'))
        self.assertEqual([['a'], [*'bcde']], self.client.requests)
        self.assertEqual(1, self.client.most)

    def test_closes_of_the_same_moment_are_one_request(self) -> None:
        self.close('abc', 'd')
        self.assertEqual([[*'abc'], ['d']], self.client.requests)

    def test_older_api_closes_each_session(self) -> None:
        for status in 400, 404, 405:
            self.client.statuses['PUT'] = status
            self.client.requests.clear()
            self.assertEqual([None] * 7, self.close('a', 'bcdefg'))
            self.assertEqual([['a'], *'abcdefg'], self.client.requests)
            self.now += 59
            self.client.requests.clear()
            self.assertEqual([None] * 3, self.close('a', 'bc'))
            self.assertEqual([*'abc'], self.client.requests)
            # It may have been upgraded since.
            self.now += 1

    def test_older_api_gets_few_requests_at_a_time(self) -> None:
        self.client.statuses['PUT'] = 400
        self.close('ab')
        self.client.most = 0
        self.assertEqual([None] * 9, self.close('abcdefghi'))
        self.assertEqual(4, self.client.most)

    def test_failure_is_that_of_each_session_of_the_request(self) -> None:
        self.client.error = ApiUnavailable('no answer')
        outcomes = self.close('a', 'bc')
        self.assertEqual(['no answer'] * 3, [str(it) for it in outcomes])
        self.assertEqual([['a'], [*'bc']], self.client.requests)
        self.client.error = None
        self.assertEqual([None] * 2, self.close('de'))

    def repeat(self) -> list[Any]:
        """Repeat what has failed; return the requests."""
        self.client.requests.clear()
        self.runner.run(self.closer.repeat())
        return self.client.requests

    def test_failed_closes_are_repeated_with_the_next_one(self) -> None:
        self.client.error = ApiUnavailable('no answer')
        self.close('a', 'bc')
        outcomes = self.close('d')
        self.assertEqual(['no answer'], [str(it) for it in outcomes])
        self.assertEqual([*'abcd'], self.client.requests[-1])
        self.client.error = None
        self.assertEqual([None], self.close('e'))
        self.assertEqual([*'abcde'], self.client.requests[-1])
        self.assertEqual([], self.repeat())

    def test_failed_closes_are_repeated_without_another_one(self) -> None:
        self.client.error = ApiUnavailable('no answer')
        self.close('a', 'bc')
        # Until one fails again.
        self.assertEqual([[*'abc']], self.repeat())
        self.client.error = None
        self.assertEqual([[*'abc']], self.repeat())
        self.assertEqual([], self.repeat())

    def test_most_recent_failed_closes_are_repeated(self) -> None:
        self.client.error = ApiUnavailable('no answer')
        with mock.patch.object(closer, '_MOST_FAILED', 3):
            self.close('ab', 'cde')
        self.client.error = None
        with mock.patch.object(closer, 'CLOSES', 2):
            self.assertEqual([['c', 'd'], ['e']], self.repeat())

    def test_failed_closes_of_an_older_api_are_repeated(self) -> None:
        self.client.statuses = {'DELETE': 503, 'PUT': 400}
        for outcome in self.close('a', 'bc'):
            self.assertIsInstance(outcome, ApiUnavailable)
        self.client.statuses['DELETE'] = 204
        self.assertEqual([*'abc'], self.repeat())
        self.assertEqual([], self.repeat())

    def test_unexpected_statuses_are_failures(self) -> None:
        self.client.statuses['PUT'] = 503
        for outcome in self.close('a', 'bc'):
            self.assertIsInstance(outcome, ApiUnavailable)

    def test_sessions_that_an_older_api_does_not_know_are_closed(self) -> None:
        self.client.statuses = {'DELETE': 404, 'PUT': 400}
        self.assertEqual([None], self.close('a'))

    def test_closes_outlive_the_first_that_waits(self) -> None:
        self.runner.run(self.check_cancelled())
        self.assertEqual([['a'], ['b', 'c']], self.client.requests)

    async def check_cancelled(self) -> None:
        closes = []
        for name in 'abc':
            closes.append(
                asyncio.create_task(
                    self.closer.close(Close(name, 'idle', 1, 2))
                )
            )
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        closes[1].cancel()
        await asyncio.sleep(0)
        self.client.released.set()
        self.assertIsNone(await closes[2])
