# SPDX-License-Identifier: Apache-2.0

"""Limits on what one client can make the API do before it has a session."""

import asyncio
import hashlib
import re
import time
import uuid
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, Final

import cachetools
from oslo_config import cfg

from console_svc import addresses
from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.errors import InvalidToken, Refused, TryAgainLater

#: The API issues 32 random bytes in Base64, and 33 for tokens with terms, such
#: as those that are only for viewing.
TOKEN: Final = re.compile(r'[A-Za-z0-9_-]{43,44}')

# Tokens that the API has refused are refused without a request for this many
# seconds, and this many tokens. It is short, because a server that is starting
# makes its tokens valid again.
_REFUSED_SECONDS: Final = 5
_REFUSED: Final = 10_000

# Concurrent requests of each kind.
_CONCURRENT: Final = 16


class Turns:
    """Lets each address have a number of requests at a time."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._limit: int = conf.proxy.max_opens_per_address
        self._timeout: int = conf.proxy.handshake_timeout
        # A semaphore lives as long as a request holds it or waits for it.
        self._semaphores: weakref.WeakValueDictionary[
            str, asyncio.Semaphore
        ] = weakref.WeakValueDictionary()

    async def take(self, address: str) -> asyncio.Semaphore:
        """Wait for the turn of a request.

        :param address: the address of the client
        :returns: release it when the request has ended
        :raises console_svc.proxy.errors.TryAgainLater: it took too long
        """
        key = addresses.network(address) or address
        semaphore = self._semaphores.get(key)
        if semaphore is None:
            semaphore = asyncio.Semaphore(self._limit)
            self._semaphores[key] = semaphore
        try:
            async with asyncio.timeout(self._timeout):
                await semaphore.acquire()
        except TimeoutError:
            raise TryAgainLater(
                'Your address opens too many sessions at once. Try again '
                'later.'
            ) from None
        return semaphore


class Requests:
    """Requests of one kind that open sessions, a limited number at a time.

    :param abandon: called with the id of a session that the API may have
        opened, or may open later, although the request failed
    """

    def __init__(
        self, conf: cfg.ConfigOpts, abandon: Callable[[str], None]
    ) -> None:
        self._turns = Turns(conf)
        self._slots = asyncio.Semaphore(_CONCURRENT)
        self._abandon = abandon
        #: Those that were sent and have no answer.
        self.running: set[asyncio.Task[OpenedSession]] = set()

    async def send(
        self,
        address: str,
        send: Callable[[str], Coroutine[Any, Any, OpenedSession]],
    ) -> OpenedSession:
        """Send a request for a client, when it is its turn.

        :param send: sends the request to open a session with a new id
        :raises console_svc.proxy.errors.TryAgainLater: it took too long
        """
        turn = await self._turns.take(address)
        try:
            await self._slots.acquire()
        except BaseException:
            turn.release()
            raise
        session_id = str(uuid.uuid4())
        request = asyncio.create_task(send(session_id))
        self.running.add(request)

        def end(_: asyncio.Task[OpenedSession]) -> None:
            if not request.cancelled():
                # Mark it as retrieved: the sender may have ended.
                request.exception()
            self.running.discard(request)
            self._slots.release()
            turn.release()

        # Not when the sender ends: a client that closes its connection again
        # and again must not have more requests than its turns.
        request.add_done_callback(end)
        try:
            return await asyncio.shield(request)
        except Refused:
            raise
        except BaseException:
            self._abandon(session_id)
            raise


class RefusedTokens:
    """Tokens that need no request, because the API would refuse them.

    :param clock: monotonic, in seconds
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        # Hashes: the memory of a process should not be full of secrets.
        self._refused: cachetools.TTLCache[bytes, bool] = cachetools.TTLCache(
            _REFUSED, _REFUSED_SECONDS, timer=clock
        )

    def check(self, token: str) -> None:
        """Check that a token might be valid.

        :raises console_svc.proxy.errors.InvalidToken: it is not
        """
        if not TOKEN.fullmatch(token) or _hash(token) in self._refused:
            raise InvalidToken

    def add(self, token: str) -> None:
        """Remember that the API has refused a token."""
        self._refused[_hash(token)] = True


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
