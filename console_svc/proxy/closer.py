# SPDX-License-Identifier: Apache-2.0

"""Requests that close sessions at the API.

One request is sent at a time, and the next one closes all sessions that have
come meanwhile: a single close is not delayed, and many are few requests.
"""

import asyncio
import http
import time
from collections.abc import Callable
from typing import Final

from console_svc.proxy.http_client import HttpClient

#: The path of sessions at the API.
SESSIONS: Final = '/console-sessions'

#: Most sessions that one request keeps alive, or closes.
BATCH: Final = 1000

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
        self._ids: list[str] = []
        self._next: asyncio.Task[bool] | None = None
        self._slots = asyncio.Semaphore(_CONCURRENT)
        # When to ask an older API again.
        self._next_attempt = 0.0

    async def close(self, session_id: str) -> None:
        """Close a session.

        :raises console_svc.proxy.errors.ApiUnavailable: it does not answer
        """
        if self._next is None or len(self._ids) == BATCH:
            self._ids = []
            self._next = asyncio.create_task(self._send(self._ids))
        self._ids.append(session_id)
        # The others wait for the same request.
        if not await asyncio.shield(self._next):
            async with self._slots:
                await self._close(session_id)

    async def _send(self, ids: list[str]) -> bool:
        """Close those sessions that have come when it is the batch's turn.

        :returns: whether they are closed; an older API closes one at a time
        """
        async with self._turn:
            if ids is self._ids:
                # Those that come from now on are for the next request.
                self._next = None
            if self._clock() < self._next_attempt:
                return False
            if len(ids) == 1:
                await self._close(ids[0])
                return True
            response = await self._client.request(
                'PUT',
                SESSIONS,
                {'console_sessions': {'ids': [], 'closed_ids': ids}},
            )
            if response.status in _UNKNOWN:
                self._next_attempt = self._clock() + _INTERVAL
                return False
            if response.status != http.HTTPStatus.OK:
                raise response.unexpected
            return True

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
