# SPDX-License-Identifier: Apache-2.0

"""Requests that close sessions at the API.

One request is sent at a time, and the next one closes all sessions that have
come meanwhile: a single close is not delayed, and many are few requests. What
fails while the API is unavailable is repeated with the next request, as a
session that stays open there would count for minutes.
"""

import asyncio
import http
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from console_svc.proxy.errors import ApiUnavailable
from console_svc.proxy.http_client import HttpClient

#: The path of sessions at the API.
SESSIONS: Final = '/console-sessions'

#: Most sessions that one request keeps alive.
BATCH: Final = 1000

#: Most sessions that one request closes: its body is below the API's limit.
CLOSES: Final = 500

# Most closes that are repeated later; the sessions of others lapse.
_MOST_FAILED: Final = 10_000

# Concurrent requests to an older API, which closes one session with each.
_CONCURRENT: Final = 4

# Seconds until an older API is asked again whether it closes several.
_INTERVAL: Final = 60

# What an older API, or one without this route, answers.
_UNKNOWN: Final = (
    http.HTTPStatus.BAD_REQUEST,
    http.HTTPStatus.NOT_FOUND,
    http.HTTPStatus.METHOD_NOT_ALLOWED,
)


class Close(NamedTuple):
    """The end of a session, as the API gets it.

    :param reason: one of those that the API knows
    :param received: bytes from the client
    :param sent: bytes to the client
    """

    id: str
    reason: str
    received: int = 0
    sent: int = 0


class Closer:
    """Closes sessions.

    :param clock: monotonic, in seconds
    """

    def __init__(
        self,
        client: HttpClient,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._clock = clock
        self._turn = asyncio.Lock()
        # What the next request closes, and the request.
        self._closes: list[Close] = []
        self._next: asyncio.Task[Mapping[str, ApiUnavailable]] | None = None
        # To repeat, the oldest first.
        self._failed: dict[str, Close] = {}
        # When to ask an older API again.
        self._next_attempt = 0.0

    async def close(self, close: Close) -> None:
        """Close a session.

        :raises console_svc.proxy.errors.ApiUnavailable: it does not answer;
            the close is repeated with a later one, or by :meth:`repeat`
        """
        if self._next is None or len(self._closes) == CLOSES:
            self._closes = self._take_failed(CLOSES - 1)
            self._next = asyncio.create_task(self._send(self._closes))
        self._closes.append(close)
        # The others wait for the same request.
        failed = await asyncio.shield(self._next)
        if close.id in failed:
            raise failed[close.id]

    async def repeat(self) -> None:
        """Repeat the closes that have failed, until one fails again."""
        while closes := self._take_failed(CLOSES):
            if await self._send(closes):
                return

    async def _send(self, closes: list[Close]) -> Mapping[str, ApiUnavailable]:
        """Close those sessions that have come when it is the batch's turn.

        :returns: the errors of those that are not closed, by id
        """
        async with self._turn:
            if closes is self._closes:
                # Those that come from now on are for the next request.
                self._next = None
            try:
                failed = await self._close_all(closes)
            except ApiUnavailable as error:
                failed = dict.fromkeys([it.id for it in closes], error)
            self._failed.update(
                (it.id, it) for it in closes if it.id in failed
            )
            for session_id in [*self._failed][:-_MOST_FAILED]:
                del self._failed[session_id]
            return failed

    def _take_failed(self, number: int) -> list[Close]:
        ids = [*self._failed][:number]
        return [self._failed.pop(it) for it in ids]

    async def _close_all(
        self, closes: Sequence[Close]
    ) -> Mapping[str, ApiUnavailable]:
        if self._clock() >= self._next_attempt:
            response = await self._client.request(
                'PUT',
                SESSIONS,
                {
                    'console_sessions': {
                        'ids': [],
                        'closed': [it._asdict() for it in closes],
                    }
                },
            )
            if response.status == http.HTTPStatus.OK:
                return {}
            if response.status not in _UNKNOWN:
                raise response.unexpected
            self._next_attempt = self._clock() + _INTERVAL
        return await self._close_each([it.id for it in closes])

    async def _close_each(
        self, session_ids: Sequence[str]
    ) -> Mapping[str, ApiUnavailable]:
        """Close sessions at an older API."""
        slots = asyncio.Semaphore(_CONCURRENT)

        async def close(session_id: str) -> ApiUnavailable | None:
            async with slots:
                try:
                    await self._close(session_id)
                except ApiUnavailable as error:
                    return error
            return None

        outcomes = await asyncio.gather(*map(close, session_ids))
        return {
            session_id: error
            for session_id, error in zip(session_ids, outcomes, strict=True)
            if error is not None
        }

    async def _close(self, session_id: str) -> None:
        response = await self._client.request(
            'DELETE', f'{SESSIONS}/{session_id}'
        )
        # Not found: it was ended at the API, or is not open yet.
        if response.status not in (
            http.HTTPStatus.NO_CONTENT,
            http.HTTPStatus.NOT_FOUND,
        ):
            raise response.unexpected
