# SPDX-License-Identifier: Apache-2.0

"""The API, as the console proxy asks it."""

import asyncio
import dataclasses
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
from console_svc.proxy.errors import Refused, TryAgainLater

LOG = logging.getLogger(__name__)

#: Sessions that are kept alive by one request.
BATCH: Final = 1000

# Requests at a time. What they wait for is the API, not a processor.
_THREADS: Final = 16

# Seconds: no client waits longer to hear that its console is locked.
_LONGEST_WAIT: Final = 30

# Those that are open.
_SESSIONS: Final = '/console-sessions'

_T = TypeVar('_T')


class Away(Exception):
    """The API does not answer, or says nothing that helps."""


class LoginFailed(Refused):
    """A native client's password is wrong, or its console locked.

    :param wait: seconds that the client is to wait for the answer
    :param locked: whether no password would have been right
    """

    def __init__(self, reason: str, wait: float, locked: bool) -> None:
        super().__init__(reason)
        self.wait = wait
        self.locked = locked


@dataclasses.dataclass(frozen=True, slots=True)
class _Answer:
    """What the API says.

    :param retry_after: seconds until it may say something else
    """

    status: int
    document: Any
    retry_after: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Opened:
    """A session, and where it leads.

    :param expires: the second of the UTC epoch at which it must end; None:
        at none
    """

    id: str
    server_id: str
    console_type: str
    host: str
    port: int
    internal_access_path: str | None
    expires: int | None


class ConsoleApi:
    """Asks with the credential of ``[console_api]``.

    The client is keystoneauth's, which blocks; threads wait for it.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._api = rest_client.load(conf, GROUP)
        self._threads = futures.ThreadPoolExecutor(_THREADS, 'api')
        # Sessions that run are not kept waiting by those that begin.
        self._keeper = futures.ThreadPoolExecutor(1, 'keeper')

    async def open(self, token: str, client_address: str) -> Opened:
        """Use a token.

        :raises console_svc.proxy.errors.Refused: it is not good for a session
        :raises console_svc.proxy.errors.TryAgainLater: the API is away
        """
        return await self._opened(lambda: self._open(token, client_address))

    async def log_in(
        self,
        console: Mapping[str, int | str],
        challenge: bytes,
        response: bytes,
        client_address: str,
    ) -> Opened:
        """Have a native client's response to a challenge checked.

        :param console: its ``port``, or its ``user_name``
        :raises LoginFailed: it is wrong
        :raises console_svc.proxy.errors.Refused: there is no session for it
        :raises console_svc.proxy.errors.TryAgainLater: the API is away
        """
        wanted = {
            **console,
            'challenge': challenge.hex(),
            'response': response.hex(),
            'client_address': client_address,
        }
        return await self._opened(lambda: self._log_in(wanted))

    async def keep(self, ids: Sequence[str]) -> Mapping[str, int | None]:
        """Keep sessions alive.

        :returns: when those that go on expire
        :raises Away: nobody can say which
        """
        return await self._in_thread(self._keeper, lambda: self._keep(ids))

    async def close(self, session_id: str) -> None:
        """Say that a session is over, if anybody listens: else it lapses."""
        try:
            await self._in_thread(
                self._threads, lambda: self._close(session_id)
            )
        except Away as error:
            LOG.warning(
                'Session %s is not closed, but lapses: the API %s',
                session_id,
                error,
            )

    def stop(self) -> None:
        """Wait for what is under way."""
        self._threads.shutdown()
        self._keeper.shutdown()

    async def _in_thread(
        self, threads: futures.Executor, call: Callable[[], _T]
    ) -> _T:
        return await asyncio.get_running_loop().run_in_executor(threads, call)

    async def _opened(self, call: Callable[[], Opened]) -> Opened:
        try:
            return await self._in_thread(self._threads, call)
        except Away as error:
            LOG.error('No session can be opened: the API %s', error)
            raise TryAgainLater(
                'The console service is away. Try again later.'
            ) from None

    def _open(self, token: str, client_address: str) -> Opened:
        answer = self._ask(
            'POST',
            f'/os-console-auth-tokens/{parse.quote(token, safe="")}/sessions',
            {'session': {'client_address': client_address}},
        )
        if answer.status == http.HTTPStatus.NOT_FOUND:
            raise Refused('The console token is not valid, or no longer.')
        return _session(answer)

    def _log_in(self, wanted: Mapping[str, Any]) -> Opened:
        answer = self._ask(
            'POST',
            '/console-gateway/authentications',
            {'authentication': wanted},
        )
        match answer.status:
            case http.HTTPStatus.TOO_MANY_REQUESTS:
                raise LoginFailed(
                    'Too many wrong passwords. Try again later.',
                    min(answer.retry_after, _LONGEST_WAIT),
                    True,
                )
            case http.HTTPStatus.FORBIDDEN if answer.retry_after:
                raise LoginFailed(
                    'Authentication failed.', answer.retry_after, False
                )
            case http.HTTPStatus.BAD_REQUEST:
                # A name that no console can have.
                raise LoginFailed('Authentication failed.', 1, False)
            case http.HTTPStatus.NOT_FOUND:
                # The password was right. Or the API has no such route.
                LOG.warning('No log-in: %s', _message(answer.document))
                raise Refused('The console is not there now.')
        return _session(answer)

    def _close(self, session_id: str) -> None:
        answer = self._ask('DELETE', f'{_SESSIONS}/{session_id}')
        # Who has ended it was quicker, where it is not found.
        if answer.status not in (
            http.HTTPStatus.NO_CONTENT,
            http.HTTPStatus.NOT_FOUND,
        ):
            raise _of_no_use(answer)

    def _keep(self, ids: Sequence[str]) -> Mapping[str, int | None]:
        answer = self._ask(
            'PUT', _SESSIONS, {'console_sessions': {'ids': [*ids]}}
        )
        if answer.status != http.HTTPStatus.OK:
            raise _of_no_use(answer)
        try:
            return {
                session['id']: session['expires']
                for session in answer.document['console_sessions']
            }
        except (LookupError, TypeError):
            raise Away('says nothing of sessions') from None

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> _Answer:
        """Ask the API something.

        :raises Away: there is none, or none that could be read
        """
        failure = None
        try:
            # Paths hold tokens, so the client must not log them.
            answer = self._api.request(path, method, json=body, log=False)
        except keystone_exceptions.ClientException as error:
            failure = type(error).__name__
        if failure:
            # Not above: the log would add the exception's words, and these
            # hold the path.
            raise Away(f'fails: {failure}')
        if not answer.content:
            return _Answer(answer.status_code, None)
        retry_after = answer.headers.get('Retry-After', '')
        try:
            return _Answer(
                answer.status_code,
                answer.json(),
                int(retry_after) if retry_after.isdigit() else 0,
            )
        except ValueError:
            raise Away(f'answers {answer.status_code} without JSON') from None


def _session(answer: _Answer) -> Opened:
    """The session that was opened.

    :raises console_svc.proxy.errors.Refused: none was, for a reason that the
        API tells
    """
    if answer.status in (http.HTTPStatus.CONFLICT, http.HTTPStatus.FORBIDDEN):
        reason = _message(answer.document)
        LOG.info('The API opens no session: %s', reason)
        raise Refused(f'{reason}.')
    if answer.status != http.HTTPStatus.CREATED:
        raise _of_no_use(answer)
    try:
        session = answer.document['session']
        return Opened(
            id=session['id'],
            server_id=session['instance_uuid'],
            console_type=session['console_type'],
            host=session['host'],
            port=session['port'],
            internal_access_path=session['internal_access_path'],
            expires=session['expires'],
        )
    except (LookupError, TypeError):
        raise Away('says nothing of a session') from None


def _of_no_use(answer: _Answer) -> Away:
    return Away(f'answers {answer.status}: {_message(answer.document)}')


def _message(document: Any) -> str:
    """What the API says of a refusal."""
    try:
        (fault,) = document.values()
        return str(fault['message'])
    except (AttributeError, LookupError, TypeError, ValueError):
        return 'no reason is given'
