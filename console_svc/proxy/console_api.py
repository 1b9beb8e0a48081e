# SPDX-License-Identifier: Apache-2.0

"""The API, as the proxy uses it."""

import asyncio
import http
import logging
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any
from urllib import parse

from oslo_config import cfg

from console_svc.proxy import admission, api_answers, keep_alive_answers
from console_svc.proxy.api_answers import (
    OpenedSession,
    Response,
)
from console_svc.proxy.closer import SESSIONS, Close, Closer
from console_svc.proxy.errors import (
    ApiUnavailable,
    Conflict,
    InvalidToken,
    TryAgainLater,
)
from console_svc.proxy.http_client import HttpClient
from console_svc.proxy.keep_alive_answers import KeptProcess
from console_svc.proxy.recording_reads import RecordingReads

LOG = logging.getLogger(__name__)


class ConsoleApi:
    """The API, called with the credential of ``[console_api]``.

    It may be created anywhere, and is used in a single event loop.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._client = HttpClient(conf)
        # Of the process, to the API.
        self._proxy_id = str(uuid.uuid4())
        # Each kind has its own limit: a flood of one kind must not delay the
        # others.
        self._opens = admission.Requests(conf, self._abandon)
        self._log_ins = admission.Requests(conf, self._abandon)
        # These open nothing that would have to be closed.
        self._joins = admission.Requests(conf, lambda _: None)
        self._closer = Closer(self._client)
        self._closes: set[asyncio.Task[None]] = set()
        self._refused = admission.RefusedTokens()
        #: For the pages that play recordings.
        self.recordings = RecordingReads(conf, self._client)

    async def open(
        self,
        token: str,
        client_address: str,
        secrets: Mapping[str, str] = {},
        takes_over: bool = False,
    ) -> OpenedSession:
        """Open a session with a console token.

        :param secrets: those of this session and of the one to resume
        :param takes_over: whether to end the session that has the console
        :raises console_svc.proxy.errors.Refused: the token is not accepted
        :raises console_svc.proxy.errors.TryAgainLater: the API is unavailable,
            or the address opens too many sessions at once
        """
        self._refused.check(token)
        wanted: dict[str, Any] = {'client_address': client_address, **secrets}
        if takes_over:
            wanted['takeover'] = True
        closes = [*self._closes]
        try:
            return await self._open_once(token, client_address, wanted)
        except Conflict:
            if not closes:
                raise
        # The client of a session that is being closed may have connected
        # again before the API has closed it.
        await asyncio.wait(closes)
        return await self._open_once(token, client_address, wanted)

    async def _open_once(
        self, token: str, client_address: str, wanted: Mapping[str, Any]
    ) -> OpenedSession:
        try:
            return await self._opened(
                self._opens,
                client_address,
                lambda id_: self._open(token, {**wanted, 'id': id_}),
            )
        except InvalidToken:
            self._refused.add(token)
            raise

    async def join(self, token: str, client_address: str) -> OpenedSession:
        """Find the session that a further connection of a client belongs to.

        It may be of another worker, or of another proxy.

        :raises console_svc.proxy.errors.Refused: the token is not accepted,
            or it has no open session from this address
        :raises console_svc.proxy.errors.TryAgainLater: the API is unavailable,
            or the address opens too many sessions at once
        """
        self._refused.check(token)
        try:
            return await self._opened(
                self._joins,
                client_address,
                lambda _: self._open(
                    token, {'client_address': client_address, 'join': True}
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
            lambda session_id: self._log_in(session_id, authentication),
        )

    async def keep(
        self,
        ids: Sequence[str],
        changed: Callable[[str, str], None] = lambda *_: None,
    ) -> Mapping[str, float | None]:
        """Keep sessions alive one by one, at most :data:`.BATCH`.

        :param changed: called with the id and the mode of each session, where
            the API tells it
        :returns: id -> monotonic time at which those that continue must end;
            None: never
        :raises console_svc.proxy.errors.ApiUnavailable: it does not answer
        """
        response = await self._client.request(
            'PUT', SESSIONS, {'console_sessions': {'ids': [*ids]}}
        )
        kept = keep_alive_answers.kept(response)
        for session_id, mode in keep_alive_answers.modes(response).items():
            changed(session_id, mode)
        return kept

    async def keep_process(
        self,
        ids: Sequence[str],
        modes: Mapping[str, str] = {},
        asks_for_others: bool = False,
    ) -> KeptProcess | None:
        """Keep all sessions of this process alive.

        :param ids: those that the API may not know to be of this process, at
            most :data:`.BATCH`
        :param modes: those that the sessions have now, by id, where the API
            has asked for another one
        :param asks_for_others: whether to ask for the other sessions on their
            consoles, which an older API does not know
        :returns: None: the API is of an older version, which only has
            :meth:`keep`
        :raises console_svc.proxy.errors.ApiUnavailable: it does not answer
        """
        response = await self._client.request(
            'PUT',
            SESSIONS,
            {
                'console_sessions': {
                    'ids': [*ids],
                    'proxy_id': self._proxy_id,
                    **({'modes': {**modes}} if modes else {}),
                    **({'others': True} if asks_for_others else {}),
                }
            },
        )
        if response.status == http.HTTPStatus.BAD_REQUEST:
            return None
        return keep_alive_answers.kept_process(response)

    async def close(self, close: Close) -> None:
        """Close a session at the API.

        While the API is unavailable, :meth:`repeat_closes` does it later.
        """
        await asyncio.shield(self._start(self._close(close)))

    async def repeat_closes(self) -> None:
        """Close the sessions for which the API was unavailable."""
        await self._closer.repeat()

    async def stop(self) -> None:
        """Wait until all requests are done, and close the connections."""
        while running := [
            *self._opens.running,
            *self._log_ins.running,
            *self._joins.running,
            *self._closes,
        ]:
            await asyncio.wait(running)
        await self._client.close()

    async def _opened(
        self,
        requests: admission.Requests,
        address: str,
        send: Callable[[str], Coroutine[Any, Any, OpenedSession]],
    ) -> OpenedSession:
        try:
            return await requests.send(address, send)
        except ApiUnavailable as error:
            LOG.error('A session cannot be opened at the API: %s', error)
        raise TryAgainLater(
            'The console service is unavailable. Try again later.'
        )

    async def _open(
        self, token: str, session: Mapping[str, Any]
    ) -> OpenedSession:
        response = await self._request_session(
            f'/os-console-auth-tokens/{parse.quote(token, safe="")}/sessions',
            {'session': session},
        )
        if response.status == http.HTTPStatus.NOT_FOUND:
            raise InvalidToken
        return api_answers.opened(response)

    async def _log_in(
        self, session_id: str, authentication: Mapping[str, Any]
    ) -> OpenedSession:
        response = await self._request_session(
            '/console-gateway/authentications',
            {'authentication': {**authentication, 'id': session_id}},
        )
        return api_answers.logged_in(response)

    async def _request_session(
        self, path: str, body: Mapping[str, Any]
    ) -> Response:
        response = await self._client.request('POST', path, body)
        if response.repeated and response.status != http.HTTPStatus.CREATED:
            # The request whose answer was lost may be the reason of the
            # refusal: the API accepts a challenge once.
            raise response.unexpected
        return response

    async def _close(self, close: Close) -> None:
        try:
            await self._closer.close(close)
        except ApiUnavailable as error:
            LOG.warning(
                'Session %s cannot be closed at the API now. The request will '
                'be repeated: %s',
                close.id,
                error,
            )

    def _abandon(self, session_id: str) -> None:
        """Close a session without a caller that waits for it."""
        self._start(self._close_abandoned(session_id))

    async def _close_abandoned(self, session_id: str) -> None:
        try:
            await self._close(Close(session_id, 'error'))
        except Exception:
            LOG.exception(
                'Session %s cannot be closed at the API, and will lapse',
                session_id,
            )

    def _start(self, close: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a close, for which :meth:`stop` waits."""
        task = asyncio.create_task(close)
        self._closes.add(task)
        task.add_done_callback(self._closes.discard)
        return task
