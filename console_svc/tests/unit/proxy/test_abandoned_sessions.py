# SPDX-License-Identifier: Apache-2.0

"""The proxy closes each session that may be open without its knowledge."""

import asyncio
import secrets
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import fixtures as fixtures_

from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.console_api import ConsoleApi
from console_svc.proxy.errors import (
    Conflict,
    InvalidToken,
    LoginFailed,
    Refused,
    TryAgainLater,
)
from console_svc.tests.integration.stub import Answer
from console_svc.tests.unit.proxy.api import ADDRESS, ApiTest

FAULT = {'fault': {'code': 0, 'message': 'a message'}}

#: What opens a session.
Opening = Callable[[ConsoleApi], Coroutine[Any, Any, OpenedSession]]


def by_token(api: ConsoleApi) -> Coroutine[Any, Any, OpenedSession]:
    # A new token: the proxy remembers those that were refused.
    return api.open(secrets.token_urlsafe(32), ADDRESS)


def by_log_in(api: ConsoleApi) -> Coroutine[Any, Any, OpenedSession]:
    return api.log_in({'port': 5901}, bytes(16), bytes(16), ADDRESS)


class AbandonedSessionTest(ApiTest):
    def fails(
        self, kind: type[Exception], opening: Opening, *answers: Answer
    ) -> None:
        """Check that an opening fails with a kind of exception.

        :param answers: to its requests
        """
        remaining = iter(answers)

        def respond(method: str, path: str) -> Answer:
            if path.endswith(('/sessions', '/authentications')):
                return next(remaining)
            return self.respond(method, path)

        self.stub.answer = respond
        error = self.assertRaises(kind, self.run_, opening(self.api))
        self.assertIs(kind, type(error))
        self.assertEqual([], list(remaining))

    def check_closed(self) -> None:
        """Check that each session that was not answered is closed once."""
        self.run_(self.api.stop())
        self.assertNotEqual([], self.ids())
        self.assertEqual(sorted({*self.ids()}), sorted(self.closed()))

    def test_no_answer(self) -> None:
        lost = Answer(is_lost=True)
        for opening in by_token, by_log_in:
            self.fails(TryAgainLater, opening, lost, lost)
        self.assertEqual(2, len({*self.ids()}))
        self.check_closed()

    def test_unexpected_answers(self) -> None:
        for status, document in (
            (500, FAULT),
            (503, b''),
            (201, b''),
            (201, {}),
            (201, {'session': {'id': 'x'}}),
        ):
            for opening in by_token, by_log_in:
                self.fails(TryAgainLater, opening, Answer(status, document))
        self.check_closed()

    def test_refusals_of_repeated_requests(self) -> None:
        """The first one may have opened the session."""
        lost = Answer(is_lost=True)
        for opening, status in (
            (by_token, 404),
            (by_token, 409),
            # The API refuses a challenge that was answered before.
            (by_log_in, 403),
            (by_log_in, 429),
        ):
            answer = Answer(status, FAULT, headers={'Retry-After': '1'})
            self.fails(TryAgainLater, opening, lost, answer)
        self.check_closed()

    def test_unexpected_exception(self) -> None:
        closed = []

        async def fail(method: str, path: str, body: Any = None) -> None:
            if method == 'PUT':
                closed.append(path)
            raise ZeroDivisionError

        self.useFixture(
            fixtures_.MockPatchObject(self.api._client, 'request', fail)
        )
        for opening in by_token, by_log_in:
            self.assertRaises(ZeroDivisionError, self.run_, opening(self.api))
        self.run_(self.api.stop())
        self.assertEqual(2, len(closed))
        self.assertIn('and will lapse', self.log.output)
        self.assertIn('ZeroDivisionError', self.log.output)

    def test_cancelled_task(self) -> None:
        begun, release = threading.Event(), threading.Event()

        def wait(method: str, path: str) -> Answer:
            if path.endswith(('/sessions', '/authentications')):
                begun.set()
                release.wait()
                return Answer(409, FAULT)
            return self.respond(method, path)

        self.stub.answer = wait

        async def run(opening: Opening) -> None:
            task = asyncio.create_task(opening(self.api))
            await asyncio.to_thread(begun.wait)
            task.cancel()
            await asyncio.wait([task])
            self.assertTrue(task.cancelled())

        self.addCleanup(release.set)
        for opening in by_token, by_log_in:
            begun.clear()
            self.run_(run(opening))
        release.set()
        self.check_closed()
        self.assertNotIn('never retrieved', self.log.output)

    def test_refusals_close_nothing(self) -> None:
        for opening, status, retry_after, kind in (
            (by_token, 404, 0, InvalidToken),
            (by_token, 409, 0, Conflict),
            (by_log_in, 403, 1, LoginFailed),
            (by_log_in, 429, 1, LoginFailed),
            (by_log_in, 404, 0, Refused),
            (by_log_in, 409, 0, Conflict),
        ):
            headers = {'Retry-After': f'{retry_after}'}
            self.fails(kind, opening, Answer(status, FAULT, headers=headers))
        self.run_(self.api.stop())
        self.assertEqual([], self.closed())
