# SPDX-License-Identifier: Apache-2.0

"""The proxy's client of the API."""

import asyncio
import http
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from typing import Any, Final, TypeVar
from urllib import parse

from keystoneauth1 import exceptions as keystone_exceptions
from oslo_config import cfg

from console_svc import rest_client
from console_svc.conf.console_api import GROUP
from console_svc.proxy.admission import RefusedTokens, Requests
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

# Seconds: the longest wait of a client that is locked out.
_LONGEST_WAIT: Final = 30

_SESSIONS: Final = '/console-sessions'

_T = TypeVar('_T')


class ConsoleApi:
    """The API, called with the credential of ``[console_api]``.

    keystoneauth's client blocks, so each request has a thread.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._api = rest_client.load(conf, GROUP)
        # Each kind has its own threads: a flood of one kind must not delay the
        # others.
        self._opens = Requests(conf, 'open', self._abandon)
        self._log_ins = Requests(conf, 'log-in', self._abandon)
        self._closers = futures.ThreadPoolExecutor(_CLOSERS, 'close')
        self._keeper = futures.ThreadPoolExecutor(1, 'keeper')
        self._refused = RefusedTokens()

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
                lambda: self._open(token, client_address),
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
            lambda: self._log_in(authentication),
        )

    async def keep(self, ids: Sequence[str]) -> Mapping[str, int | None]:
        """Keep sessions alive, at most :data:`BATCH`.

        :returns: id -> expiry of those that continue; None: no expiry
        :raises console_svc.proxy.errors.ApiUnavailable: it does not answer
        """
        return await self._in_thread(self._keeper, lambda: self._keep(ids))

    async def close(self, session_id: str) -> None:
        """Close a session at the API. If the request fails, it lapses."""
        try:
            await self._in_thread(
                self._closers, lambda: self._close(session_id)
            )
        except ApiUnavailable as error:
            LOG.warning(
                'Session %s cannot be closed at the API, and will lapse: %s',
                session_id,
                error,
            )

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
        requests: Requests[OpenedSession],
        address: str,
        send: Callable[[], OpenedSession],
    ) -> OpenedSession:
        try:
            return await requests.send(address, send)
        except ApiUnavailable as error:
            LOG.error('A session cannot be opened at the API: %s', error)
            raise TryAgainLater(
                'The console service is unavailable. Try again later.'
            ) from None

    def _abandon(self, session: OpenedSession) -> None:
        """Close a session whose client closed the connection meanwhile."""
        self._closers.submit(self._close, session.id)

    def _open(self, token: str, client_address: str) -> OpenedSession:
        response = self._request(
            'POST',
            f'/os-console-auth-tokens/{parse.quote(token, safe="")}/sessions',
            {'session': {'client_address': client_address}},
        )
        if response.status == http.HTTPStatus.NOT_FOUND:
            raise InvalidToken
        return _session(response)

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
                    _message(response.document),
                )
                raise Refused('The console is not available.')
        return _session(response)

    def _close(self, session_id: str) -> None:
        response = self._request('DELETE', f'{_SESSIONS}/{session_id}')
        # Not found: it was ended at the API.
        if response.status not in (
            http.HTTPStatus.NO_CONTENT,
            http.HTTPStatus.NOT_FOUND,
        ):
            raise _unexpected(response)

    def _keep(self, ids: Sequence[str]) -> Mapping[str, int | None]:
        response = self._request(
            'PUT', _SESSIONS, {'console_sessions': {'ids': [*ids]}}
        )
        if response.status != http.HTTPStatus.OK:
            raise _unexpected(response)
        try:
            return {
                session['id']: session['expires']
                for session in response.document['console_sessions']
            }
        except (LookupError, TypeError):
            raise ApiUnavailable('no sessions in the response') from None

    def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Response:
        """Send a request to the API.

        :raises console_svc.proxy.errors.ApiUnavailable: it does not answer
            with JSON
        """
        failure = None
        try:
            # Paths contain tokens, so the client must not log them.
            response = self._api.request(path, method, json=body, log=False)
        except keystone_exceptions.ClientException as error:
            failure = type(error).__name__
        if failure:
            # Not in the handler: the exception's message contains the path,
            # and would be logged as the cause of this one.
            raise ApiUnavailable(failure)
        if not response.content:
            return Response(response.status_code, None)
        retry_after = response.headers.get('Retry-After', '')
        try:
            return Response(
                response.status_code,
                response.json(),
                int(retry_after) if retry_after.isdigit() else 0,
            )
        except ValueError:
            raise ApiUnavailable(
                f'HTTP {response.status_code} without JSON'
            ) from None


def _session(response: Response) -> OpenedSession:
    """The session in a response.

    :raises console_svc.proxy.errors.Refused: the API refuses it
    :raises console_svc.proxy.errors.ApiUnavailable: the response has none
    """
    status = response.status
    if status in (http.HTTPStatus.CONFLICT, http.HTTPStatus.FORBIDDEN):
        reason = _message(response.document)
        LOG.info('The API refuses a session: %s', reason)
        raise Refused(f'{reason}.')
    if status != http.HTTPStatus.CREATED:
        raise _unexpected(response)
    try:
        session = response.document['session']
        return OpenedSession(
            id=session['id'],
            server_id=session['instance_uuid'],
            console_type=session['console_type'],
            host=session['host'],
            port=session['port'],
            internal_access_path=session['internal_access_path'],
            expires=session['expires'],
        )
    except (LookupError, TypeError):
        raise ApiUnavailable('no session in the response') from None


def _unexpected(response: Response) -> ApiUnavailable:
    return ApiUnavailable(
        f'HTTP {response.status}: {_message(response.document)}'
    )


def _message(document: Any) -> str:
    """The message of a fault."""
    try:
        (fault,) = document.values()
        return str(fault['message'])
    except (AttributeError, LookupError, TypeError, ValueError):
        return 'no reason is given'
