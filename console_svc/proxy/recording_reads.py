# SPDX-License-Identifier: Apache-2.0

"""Which recording a page may read: the API knows its token."""

import asyncio
import dataclasses
import http
from typing import Final

from oslo_config import cfg

from console_svc.proxy import admission
from console_svc.proxy.api_answers import Response
from console_svc.proxy.errors import InvalidToken
from console_svc.proxy.http_client import HttpClient
from console_svc.proxy.members import member

# Concurrent requests.
_CONCURRENT: Final = 16


@dataclasses.dataclass(frozen=True, slots=True)
class RecordingRead:
    """The recording that a token allows to read, once.

    :param started_at: seconds of the UTC epoch
    """

    recording_id: str
    server_id: str
    started_at: int


class RecordingReads:
    """Asks the API about the tokens of playback pages.

    The API counts each answer as a reading of the recording.
    """

    def __init__(self, conf: cfg.ConfigOpts, client: HttpClient) -> None:
        self._client = client
        self._turns = admission.Turns(conf)
        self._slots = asyncio.Semaphore(_CONCURRENT)
        self._refused = admission.RefusedTokens()

    async def read(self, token: str, client_address: str) -> RecordingRead:
        """Read a recording with the token of a page.

        :raises console_svc.proxy.errors.InvalidToken: it is unknown, or has
            expired
        :raises console_svc.proxy.errors.TryAgainLater: the address sends too
            many tokens at once
        :raises console_svc.proxy.errors.ApiUnavailable: the API does not
            answer, or refuses the credential of the proxy
        """
        self._refused.check(token)
        turn = await self._turns.take(client_address)
        try:
            async with self._slots:
                response = await self._client.request(
                    'POST',
                    '/console-recording-reads',
                    {
                        'console_recording_read': {
                            'token': token,
                            'client_address': client_address,
                        }
                    },
                )
        finally:
            turn.release()
        if response.status == http.HTTPStatus.NOT_FOUND:
            self._refused.add(token)
            raise InvalidToken
        return _read(response)


def _read(response: Response) -> RecordingRead:
    if response.status != http.HTTPStatus.CREATED:
        raise response.unexpected
    read = member(response.document, 'console_recording_read', dict)
    return RecordingRead(
        recording_id=member(read, 'recording_id', str),
        server_id=member(read, 'server_id', str),
        started_at=member(read, 'started_at', int),
    )
