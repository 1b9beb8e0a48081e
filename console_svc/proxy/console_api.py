# SPDX-License-Identifier: Apache-2.0

"""The proxy's client of the API."""

import asyncio
import email.utils
import http
import logging
import re
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from typing import Any, Final, TypeVar
from urllib import parse

from keystoneauth1 import exceptions as keystone_exceptions
from oslo_config import cfg

from console_svc import rest_client
from console_svc.conf.console_api import GROUP
from console_svc.proxy import admission, api_answers
from console_svc.proxy.api_answers import OpenedSession, Response
from console_svc.proxy.errors import (
    ApiUnavailable,
    InvalidToken,
    LoginFailed,
    Refused,
    TryAgainLater,
)

LOG = logging.getLogger(__name__)

#: Most sessions that one request keeps alive.
BATCH: Final = 1000

# Concurrent closes; their threads only wait for the API, and no client for
# them.
_CLOSERS: Final = 4

# All threads: those that open sessions, log in, close and keep alive.
_THREADS: Final = 2 * admission.THREADS + _CLOSERS + 1

# Seconds: the longest wait of a client that is locked out.
_LONGEST_WAIT: Final = 30

_SESSIONS: Final = '/console-sessions'

# Seconds in a Retry-After header.
_NUMBER: Final = re.compile(r'[0-9]{1,9}')

_T = TypeVar('_T')


class ConsoleApi:
    """The API, called with the credential of ``[console_api]``.

    keystoneauth's client blocks, so each request has a thread.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._api = rest_client.load(conf, GROUP, _THREADS)
        # Each kind has its own threads: a flood of one kind must not delay the
        # others.
        self._opens = admission.Requests(conf, 'open', self._abandon)
        self._log_ins = admission.Requests(conf, 'log-in', self._abandon)
        self._closers = futures.ThreadPoolExecutor(_CLOSERS, 'close')
        self._keeper = futures.ThreadPoolExecutor(1, 'keeper')
        self._refused = admission.RefusedTokens()

    async def open(self, token: str, client_address: str) -> OpenedSession:
        """Open a session with a console token.

        :raises console_svc.proxy.errors.Refused: the token is not accepted
        :raises console_svc.proxy.errors.TryAgainLater: the API is unavailable,
            or the address opens too many sessions at once
        """
        self._refused.check(token)
        try:
            return await self._opened(
                self._opens,
                client_address,
                lambda session_id: self._open(
                    session_id, token, client_address
                ),
            )
        except InvalidToken:
            self._refused.add(token)
            raise

    async def log_in(
        self,
        console: Mapping[str, int | str],
        challenge: bytes,
        response: bytes,
        client_address: str,
    ) -> OpenedSession:
        """Open a session with a native client's response to a challenge.

        :param console: its ``port``, or its ``user_name``
        :raises console_svc.proxy.errors.LoginFailed: the response is wrong,
            or the console is locked
        :raises console_svc.proxy.errors.Refused: the console is not available
        :raises console_svc.proxy.errors.TryAgainLater: the API is unavailable,
            or the address logs in too often at once
        """
        authentication = {
            **console,
            'challenge': challenge.hex(),
            'response': response.hex(),
            'client_address': client_address,
        }
        return await self._opened(
            self._log_ins,
            client_address,
            lambda session_id: self._log_in(
                {**authentication, 'id': session_id}
            ),
        )

    async def keep(self, ids: Sequence[str]) -> Mapping[str, float | None]:
        """Keep sessions alive, at most :data:`BATCH`.

        :returns: id -> monotonic time at which those that continue must end;
            None: never
        :raises console_svc.proxy.errors.ApiUnavailable: it does not answer
        """
        return await self._in_thread(self._keeper, lambda: self._keep(ids))

    async def close(self, session_id: str) -> None:
        """Close a session at the API. If the request fails, it lapses."""
        await self._in_thread(self._closers, lambda: self._close(session_id))

    def stop(self) -> None:
        """Wait until all requests are done."""
        self._opens.stop()
        self._log_ins.stop()
        self._closers.shutdown()
        self._keeper.shutdown()

    async def _in_thread(
        self, threads: futures.Executor, send: Callable[[], _T]
    ) -> _T:
        return await asyncio.get_running_loop().run_in_executor(threads, send)

    async def _opened(
        self,
        requests: admission.Requests,
        address: str,
        send: Callable[[str], OpenedSession],
    ) -> OpenedSession:
        try:
            return await requests.send(address, send)
        except ApiUnavailable as error:
            LOG.error('A session cannot be opened at the API: %s', error)
        raise TryAgainLater(
            'The console service is unavailable. Try again later.'
        )

    def _open(
        self, session_id: str, token: str, client_address: str
    ) -> OpenedSession:
        response = self._request(
            'POST',
            f'/os-console-auth-tokens/{parse.quote(token, safe="")}/sessions',
            {'session': {'client_address': client_address, 'id': session_id}},
        )
        if response.status == http.HTTPStatus.NOT_FOUND:
            raise InvalidToken
        return api_answers.opened(response)

    def _log_in(self, authentication: Mapping[str, Any]) -> OpenedSession:
        response = self._request(
            'POST',
            '/console-gateway/authentications',
            {'authentication': authentication},
        )
        match response.status:
            case http.HTTPStatus.TOO_MANY_REQUESTS:
                raise LoginFailed(
                    'Too many wrong passwords. Try again later.',
                    min(response.retry_after, _LONGEST_WAIT),
                    locked=True,
                )
            case http.HTTPStatus.FORBIDDEN if response.retry_after:
                raise LoginFailed(
                    'Authentication failed.', response.retry_after
                )
            case http.HTTPStatus.BAD_REQUEST:
                # The client sent a name that no console can have.
                raise LoginFailed('Authentication failed.', 1)
            case http.HTTPStatus.NOT_FOUND:
                # The password is right, but the API does not find the console
                # at the hypervisor; or it does not have this route.
                LOG.warning(
                    'A native client cannot log in: %s',
                    response.message,
                )
                raise Refused('The console is not available.')
        return api_answers.opened(response)

    def _close(self, session_id: str) -> None:
        try:
            response = self._request('DELETE', f'{_SESSIONS}/{session_id}')
            # Not found: it was ended at the API, or is not open yet.
            if response.status not in (
                http.HTTPStatus.NO_CONTENT,
                http.HTTPStatus.NOT_FOUND,
            ):
                raise response.unexpected
        except ApiUnavailable as error:
            LOG.warning(
                'Session %s cannot be closed at the API, and will lapse: %s',
                session_id,
                error,
            )

    def _abandon(self, session_id: str) -> None:
        """Close a session without a caller that waits for it."""
        self._closers.submit(self._close_abandoned, session_id)

    def _close_abandoned(self, session_id: str) -> None:
        try:
            self._close(session_id)
        except Exception:
            LOG.exception(
                'Session %s cannot be closed at the API, and will lapse',
                session_id,
            )

    def _keep(self, ids: Sequence[str]) -> Mapping[str, float | None]:
        response = self._request(
            'PUT', _SESSIONS, {'console_sessions': {'ids': [*ids]}}
        )
        return api_answers.kept(response)

    def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Response:
        """Send a request to the API.

        :raises console_svc.proxy.errors.ApiUnavailable: it does not answer
            with JSON, or keystone does not give out a token
        """
        sent_at = time.monotonic()
        failure = None
        try:
            # Paths contain tokens, so the client must not log them.
            response = self._api.request(path, method, json=body, log=False)
        except keystone_exceptions.CatalogException as error:
            failure = type(error).__name__
            self._api.invalidate()
        except keystone_exceptions.ClientException as error:
            failure = type(error).__name__
        except Exception as error:
            # keystoneauth does not validate what keystone answers.
            failure = f"keystone's answer is not understood: {_place(error)}"
            # It has stored the answer, and would fail again.
            self._api.invalidate()
        if failure:
            # Not in the handler: the exception's message contains the path,
            # and would be logged as the cause of this one.
            raise ApiUnavailable(failure)
        document = None
        if response.content:
            try:
                document = response.json()
            except (ValueError, RecursionError):
                raise ApiUnavailable(
                    f'HTTP {response.status_code} without JSON'
                ) from None
        retry_after = response.headers.get('Retry-After', '')
        return Response(
            response.status_code,
            document,
            sent_at,
            _time(response.headers.get('Date')),
            int(retry_after) if _NUMBER.fullmatch(retry_after) else 0,
        )


def _time(date: str | None) -> float:
    """The time of a Date header; without one, that of this host."""
    try:
        return email.utils.parsedate_to_datetime(date or '').timestamp()
    except (ValueError, OverflowError):
        return time.time()


def _place(error: Exception) -> str:
    """Type and place of an exception, without its message.

    The message may contain a console token.
    """
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f'{type(error).__name__} at {frame.filename}:{frame.lineno}'
