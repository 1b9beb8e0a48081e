# SPDX-License-Identifier: Apache-2.0

"""The proxy closes each session of which it does not know whether it opened.

The API is a function in place of the client's requests.
"""

import asyncio
import secrets
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import fixtures as fixtures_
import testtools

from console_svc.proxy import api_answers
from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.console_api import ConsoleApi
from console_svc.proxy.errors import (
    ApiUnavailable,
    InvalidToken,
    LoginFailed,
    Refused,
    TryAgainLater,
)
from console_svc.tests import fixtures

FAULT = {'fault': {'code': 0, 'message': 'a message'}}

#: What opens a session.
Opening = Callable[[ConsoleApi], Awaitable[OpenedSession]]


def by_token(api: ConsoleApi) -> Awaitable[OpenedSession]:
    # A new token: the proxy remembers those that were refused.
    return api.open(secrets.token_urlsafe(32), '198.51.100.7')


def by_log_in(api: ConsoleApi) -> Awaitable[OpenedSession]:
    return api.log_in({'port': 5901}, bytes(16), bytes(16), '198.51.100.7')


def _response(
    status: int, document: Any, retry_after: int = 0
) -> api_answers.Response:
    return api_answers.Response(
        status, document, 0, time.time(), retry_after=retry_after
    )


class AbandonedSessionTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures_.FakeLogger())
        options = {
            'auth_type': 'admin_token',
            'token': 'a-token',
            'endpoint': 'http://127.0.0.1:9',
        }
        configuration = self.useFixture(
            fixtures.Configuration(console_api=options)
        )
        self.api = ConsoleApi(configuration.conf)
        self.useFixture(
            fixtures_.MockPatchObject(self.api, '_request', self.request)
        )
        #: Ids of the requests to open a session, and of those to close one.
        self.opened: list[str] = []
        self.closed: list[str] = []
        self.answer: Callable[[], Any] = lambda: None

    def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Any:
        if method == 'DELETE':
            self.closed.append(path.rpartition('/')[2])
            return _response(404, FAULT)
        assert body is not None
        ((_, members),) = body.items()
        self.opened.append(members['id'])
        return self.answer()

    def fails(
        self,
        kind: type[Exception],
        opening: Opening,
        answer: Callable[[], Any],
    ) -> None:
        """Check that an opening fails with a kind of exception."""
        self.answer = answer

        async def run() -> OpenedSession:
            return await opening(self.api)

        error = self.assertRaises(kind, asyncio.run, run())
        self.assertIs(kind, type(error))

    def check_closed(self) -> None:
        """Check that each session that was not answered is closed once."""
        self.api.stop()
        self.assertNotEqual([], self.opened)
        self.assertEqual(sorted(self.opened), sorted(self.closed))
        self.assertEqual(len(set(self.opened)), len(self.opened))

    def test_no_answer(self) -> None:
        def fail() -> None:
            raise ApiUnavailable('ConnectTimeout')

        for opening in by_token, by_log_in:
            self.fails(TryAgainLater, opening, fail)
        self.check_closed()

    def test_unexpected_answers(self) -> None:
        for status, document in (
            (500, FAULT),
            (503, None),
            (201, None),
            (201, {}),
            (201, {'session': {'id': 'x'}}),
        ):
            response = _response(status, document)
            for opening in by_token, by_log_in:
                self.fails(TryAgainLater, opening, lambda it=response: it)
        self.check_closed()

    def test_unexpected_exception(self) -> None:
        for opening in by_token, by_log_in:
            self.fails(ZeroDivisionError, opening, lambda: 1 / 0)
        self.check_closed()

    def test_cancelled_task(self) -> None:
        begun, release = threading.Event(), threading.Event()

        def wait() -> Any:
            begun.set()
            release.wait()
            return _response(409, FAULT)

        self.answer = wait

        async def run(opening: Opening) -> None:
            task = asyncio.ensure_future(opening(self.api))
            await asyncio.to_thread(begun.wait)
            task.cancel()
            await asyncio.wait([task])
            self.assertTrue(task.cancelled())

        self.addCleanup(release.set)
        for opening in by_token, by_log_in:
            begun.clear()
            asyncio.run(run(opening))
        release.set()
        self.check_closed()

    def test_refusals_close_nothing(self) -> None:
        for opening, status, retry_after, kind in (
            (by_token, 404, 0, InvalidToken),
            (by_token, 409, 0, Refused),
            (by_log_in, 403, 1, LoginFailed),
            (by_log_in, 429, 1, LoginFailed),
            (by_log_in, 404, 0, Refused),
            (by_log_in, 409, 0, Refused),
        ):
            response = _response(status, FAULT, retry_after)
            self.fails(kind, opening, lambda it=response: it)
        self.api.stop()
        self.assertEqual([], self.closed)

    def test_exception_of_a_close_is_logged(self) -> None:
        def fail(*arguments: Any) -> None:
            raise ZeroDivisionError

        self.useFixture(fixtures_.MockPatchObject(self.api, '_request', fail))
        self.fails(ZeroDivisionError, by_token, fail)
        self.api.stop()
        self.assertIn('and will lapse', self.log.output)
        self.assertIn('ZeroDivisionError', self.log.output)
