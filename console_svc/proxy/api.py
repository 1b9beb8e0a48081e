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

from console_svc import client
from console_svc.conf.console_api import GROUP
from console_svc.proxy.ended import Refused, TryAgainLater

LOG = logging.getLogger(__name__)

#: Sessions that are kept alive by one request.
BATCH: Final = 1000

# Requests at a time. What they wait for is the API, not a processor.
_THREADS: Final = 16

_T = TypeVar('_T')


class Away(Exception):
    """The API does not answer, or says nothing that helps."""


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
        self._api = client.load(conf, GROUP)
        self._threads = futures.ThreadPoolExecutor(_THREADS, 'api')
        # Sessions that run are not kept waiting by those that begin.
        self._keeper = futures.ThreadPoolExecutor(1, 'keeper')

    async def open(self, token: str, client_address: str) -> Opened:
        """Use a token.

        :raises console_svc.proxy.ended.Refused: it is not good for a session
        :raises console_svc.proxy.ended.TryAgainLater: the API is away
        """
        try:
            return await self._in_thread(
                self._threads, lambda: self._open(token, client_address)
            )
        except Away as error:
            LOG.error('No session can be opened: the API %s', error)
            raise TryAgainLater(
                'The console service is away. Try again later.'
            ) from None

    async def keep(self, ids: Sequence[str]) -> Mapping[str, int | None]:
        """Keep sessions alive.

        :returns: when those that go on expire
        :raises Away: nobody can say which
        """
        return await self._in_thread(self._keeper, lambda: self._keep(ids))

    async def close(self, token: str, session_id: str) -> None:
        """Say that a session is over, if anybody listens: else it lapses."""
        path = f'{_sessions(token)}/{session_id}'
        try:
            await self._in_thread(
                self._threads, lambda: self._ask('DELETE', path)
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

    def _open(self, token: str, client_address: str) -> Opened:
        status, document = self._ask(
            'POST',
            _sessions(token),
            {'session': {'client_address': client_address}},
        )
        if status == http.HTTPStatus.CREATED:
            try:
                session = document['session']
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
        if status == http.HTTPStatus.NOT_FOUND:
            raise Refused('The console token is not valid, or no longer.')
        if status in (http.HTTPStatus.CONFLICT, http.HTTPStatus.FORBIDDEN):
            reason = _message(document)
            LOG.info('The API opens no session: %s', reason)
            raise Refused(f'{reason}.')
        raise Away(f'answers {status}: {_message(document)}')

    def _keep(self, ids: Sequence[str]) -> Mapping[str, int | None]:
        status, document = self._ask(
            'PUT', '/console-sessions', {'console_sessions': {'ids': [*ids]}}
        )
        if status != http.HTTPStatus.OK:
            raise Away(f'answers {status}: {_message(document)}')
        try:
            return {
                session['id']: session['expires']
                for session in document['console_sessions']
            }
        except (LookupError, TypeError):
            raise Away('says nothing of sessions') from None

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> tuple[int, Any]:
        """Status and document of an answer.

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
            return answer.status_code, None
        try:
            return answer.status_code, answer.json()
        except ValueError:
            raise Away(f'answers {answer.status_code} without JSON') from None


def _sessions(token: str) -> str:
    return f'/os-console-auth-tokens/{parse.quote(token, safe="")}/sessions'


def _message(document: Any) -> str:
    """What the API says of a refusal."""
    try:
        (fault,) = document.values()
        return str(fault['message'])
    except (AttributeError, LookupError, TypeError, ValueError):
        return 'no reason is given'
