# SPDX-License-Identifier: Apache-2.0

"""Recordings, as files that their page plays: ``GET /recording``.

The API knows which recording the token of a page is for. The recording comes
from the storage of this proxy.
"""

import http
import json
import logging
import re
from collections.abc import Mapping
from concurrent import futures
from typing import Final

from oslo_config import cfg

from console_svc.proxy.console_api import ConsoleApi
from console_svc.proxy.errors import (
    ApiUnavailable,
    InvalidToken,
    TryAgainLater,
)
from console_svc.proxy.http.messages import Request, Response
from console_svc.proxy.pages import without_host
from console_svc.proxy.recording import in_thread
from console_svc.proxy.recording_file import RecordingFile, open_file
from console_svc.proxy.recording_reads import RecordingRead
from console_svc.recordings import storage
from console_svc.recordings.keys import Keys

LOG = logging.getLogger(__name__)

_PATH: Final = '/recording'

_BEARER: Final = re.compile(r'Bearer +([A-Za-z0-9_-]+)', re.IGNORECASE)

# Recordings that a process sends at a time. A client that stops reading is
# disconnected, and does not keep its place.
_MOST: Final = 16

# Threads that wait for the storage; not those that write recordings.
_THREADS: Final = 4

# Seconds, in the Retry-After header.
_RETRY_AFTER: Final = '10'

_NO_STORE: Final = {'Cache-Control': 'no-store'}


class _Refused(Exception):
    """The recording is not sent.

    :param name: of the fault, as the API names it
    :param message: for the user: the page shows it
    """

    def __init__(
        self,
        status: http.HTTPStatus,
        name: str,
        message: str,
        headers: Mapping[str, str] = {},
    ) -> None:
        super().__init__(message)
        self.response = Response(
            status,
            {'Content-Type': 'application/json', **_NO_STORE, **headers},
            json.dumps(
                {name: {'code': status.value, 'message': message}}
            ).encode(),
        )


class _NotFound(_Refused):
    """There is nothing to play."""

    def __init__(self, message: str) -> None:
        super().__init__(http.HTTPStatus.NOT_FOUND, 'itemNotFound', message)


class _Unavailable(_Refused):
    """The recording cannot be sent at the moment."""

    def __init__(self, message: str) -> None:
        super().__init__(
            http.HTTPStatus.SERVICE_UNAVAILABLE,
            'serviceUnavailable',
            message,
            {'Retry-After': _RETRY_AFTER},
        )


class Playback:
    """Sends recordings from the storage of this proxy.

    :param api: knows which ones
    """

    def __init__(self, conf: cfg.ConfigOpts, api: ConsoleApi) -> None:
        self._conf = conf
        self._api = api
        self._keys = Keys(conf)
        self._storage: storage.Storage | None = None
        self._threads = futures.ThreadPoolExecutor(_THREADS, 'playback')
        # Those that are sent now.
        self._count = 0

    @staticmethod
    def serves(request: Request) -> bool:
        """Whether a request is for a recording."""
        path, _, _ = without_host(request.target).partition('?')
        return path == _PATH

    async def get(self, request: Request, client_address: str) -> Response:
        """Respond with the recording of the token in a request."""
        try:
            token = _token(request)
            stored = await self._stored()
            self._check_count()
            read = await self._read(token, client_address)
            self._check_count()
            file = await self._open(stored, read.recording_id)
        except _Refused as refused:
            return refused.response
        LOG.info(
            'Client %s reads recording %s', client_address, read.recording_id
        )
        return Response(http.HTTPStatus.OK, _headers(read, file), file)

    def _check_count(self) -> None:
        if self._count >= _MOST:
            raise _Unavailable(
                'Too many recordings are played at the moment. Try again '
                'later.'
            )

    def _closed(self) -> None:
        self._count -= 1

    async def _stored(self) -> storage.Storage:
        """The storage, loaded when it is first needed."""
        try:
            self._storage = await in_thread(
                self._threads, self._load, lambda _: None
            )
        except (OSError, cfg.Error) as error:
            LOG.warning(
                'A recording cannot be played, because [recording] is not set '
                'up: %s',
                error,
            )
            raise _NotFound('This console proxy has no recordings.') from None
        return self._storage

    def _load(self) -> storage.Storage:
        # Without a key, nothing in the storage can be read.
        self._keys.check()
        return self._storage or storage.load(self._conf)

    async def _read(self, token: str, client_address: str) -> RecordingRead:
        try:
            return await self._api.recordings.read(token, client_address)
        except InvalidToken:
            raise _NotFound(
                'The link to this recording has expired, or the recording was '
                'deleted. Ask for a new one.'
            ) from None
        except TryAgainLater:
            raise _Unavailable(
                'Your address opens too many recordings at once. Try again '
                'later.'
            ) from None
        except ApiUnavailable as error:
            LOG.error('A recording cannot be played: %s', error)
            raise _Unavailable(
                'The console service is unavailable. Try again later.'
            ) from None

    async def _open(
        self, stored: storage.Storage, recording_id: str
    ) -> RecordingFile:
        self._count += 1
        try:
            return await open_file(
                stored,
                self._keys,
                recording_id,
                self._threads,
                self._closed,
            )
        except BaseException as error:
            self._closed()
            if isinstance(error, OSError | ValueError):
                raise _refusal(recording_id, error) from None
            raise


def _refusal(recording_id: str, error: OSError | ValueError) -> _Refused:
    """The refusal of a recording that cannot be opened."""
    if isinstance(error, FileNotFoundError):
        LOG.warning(
            'Recording %s cannot be played: it is not in the storage',
            recording_id,
        )
        return _NotFound(
            'This recording is not stored here. It may have been deleted.'
        )
    if isinstance(error, OSError):
        LOG.error(
            'Recording %s cannot be played: %s',
            recording_id,
            str(error) or 'the storage timed out',
        )
        return _Unavailable(
            'The storage of recordings is unavailable. Try again later.'
        )
    LOG.error('Recording %s cannot be played: %s', recording_id, error)
    return _Refused(
        http.HTTPStatus.INTERNAL_SERVER_ERROR,
        'computeFault',
        'This recording is damaged, or its key is missing. Tell the operator '
        'of the console proxy.',
    )


def _token(request: Request) -> str:
    """The token in a request."""
    if request.method != 'GET':
        # Each reading is recorded.
        raise _Refused(
            http.HTTPStatus.METHOD_NOT_ALLOWED,
            'badMethod',
            'Recordings are read with GET.',
            {'Allow': 'GET'},
        )
    bearer = _BEARER.fullmatch(request.header('Authorization') or '')
    if bearer is None:
        raise _Refused(
            http.HTTPStatus.UNAUTHORIZED,
            'unauthorized',
            'The request has no token of a recording.',
            {'WWW-Authenticate': 'Bearer'},
        )
    return bearer[1]


def _headers(read: RecordingRead, file: RecordingFile) -> dict[str, str]:
    return {
        'Content-Type': file.media_type,
        **_NO_STORE,
        # For the title of the page.
        'Recording-Server': read.server_id,
        'Recording-Started-At': str(read.started_at),
    }
