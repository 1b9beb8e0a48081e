# SPDX-License-Identifier: Apache-2.0

"""Requests to the API, on kept connections.

aiohttp sends them in the event loop. keystoneauth would need a thread for
each, and several times the CPU time.
"""

import asyncio
import dataclasses
import functools
import http
import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import aiohttp
from oslo_config import cfg

from console_svc import rest_client
from console_svc.conf.console_api import GROUP
from console_svc.proxy import tls
from console_svc.proxy.api_answers import Response
from console_svc.proxy.credential import Access, Credential, place
from console_svc.proxy.errors import ApiUnavailable

# keystoneauth's default for retriable_status_codes, as it documents it. Its
# newer versions add 429, which is the API's answer to a log-in at a locked
# console.
_RETRIABLE: Final = (503,)

# keystoneauth's default delays before retries, in seconds.
_FIRST_DELAY: Final = 0.5
_LONGEST_DELAY: Final = 60

# Seconds in a Retry-After header.
_NUMBER: Final = re.compile(r'[0-9]{1,9}')

_HEADERS: Final = {
    'Accept': 'application/json',
    'User-Agent': 'console-svc-proxy',
}


@dataclasses.dataclass(frozen=True, slots=True)
class _Answer:
    """A response as it was received."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    repeated: bool = False


class HttpClient:
    """Sends requests to the API, with the options of ``[console_api]``.

    It may be created anywhere, and is used in a single event loop.

    :raises oslo_config.cfg.RequiredOptError: ``auth_type`` is not set
    :raises keystoneauth1.exceptions.MissingRequiredOptions: options of the
        authentication plugin are not set
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        # Not for requests: it has the options, and the credential.
        self._adapter = rest_client.load(conf, GROUP)
        self._credential = Credential(
            self._adapter, tls.ApiTLS(rest_client.tls_options(conf, GROUP))
        )

    @functools.cached_property
    def _session(self) -> aiohttp.ClientSession:
        timeout = self._adapter.session.timeout
        return aiohttp.ClientSession(
            # The callers have the limits.
            connector=aiohttp.TCPConnector(
                limit=0, resolver=aiohttp.ThreadedResolver()
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=('Accept-Encoding',),
            timeout=aiohttp.ClientTimeout(
                # A response that comes in small pieces must end, too.
                total=None if timeout is None else 2 * timeout,
                connect=timeout,
                sock_read=timeout,
            ),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Response:
        """Send a request, which must be idempotent: it may be sent twice.

        :raises console_svc.proxy.errors.ApiUnavailable: the API does not
            answer with JSON, or keystone does not give out a token
        """
        sent_at = time.monotonic()
        data = None if body is None else json.dumps(body).encode()
        try:
            access = await self._credential.access()
            answer = await self._send(access, method, path, data)
            if answer.status == http.HTTPStatus.UNAUTHORIZED:
                other = await self._credential.replace(access)
                if other is not None:
                    answer = await self._send(other, method, path, data)
            return _response(answer, sent_at)
        except ApiUnavailable:
            raise
        except (aiohttp.ClientError, TimeoutError) as error:
            failure = type(error).__name__
        except Exception as error:
            failure = place(error)
        # Not in the handler: the exception would be logged as the cause of
        # this one, and its message may contain the path, which has a token.
        raise ApiUnavailable(failure)

    async def _send(
        self, access: Access, method: str, path: str, data: bytes | None
    ) -> _Answer:
        """Send a request, and again as the options for retries say."""
        options = self._adapter
        connect_retries = options.connect_retries or 0
        connect_delays = _delays(options.connect_retry_delay)
        status_retries = options.status_code_retries or 0
        status_delays = _delays(options.status_code_retry_delay)
        repeated = False
        while True:
            try:
                answer = await self._send_kept(access, method, path, data)
            except aiohttp.ClientSSLError:
                raise
            except (aiohttp.ClientConnectionError, TimeoutError):
                if not connect_retries:
                    raise
                connect_retries -= 1
                repeated = True
                await asyncio.sleep(next(connect_delays))
                continue
            if status_retries and answer.status in (
                options.retriable_status_codes or _RETRIABLE
            ):
                status_retries -= 1
                await asyncio.sleep(next(status_delays))
                continue
            if repeated:
                answer = dataclasses.replace(answer, repeated=True)
            return answer

    async def _send_kept(
        self, access: Access, method: str, path: str, data: bytes | None
    ) -> _Answer:
        """Send a request, and again if the connection was closed meanwhile.

        A server closes an idle connection when it likes, also while a request
        is on its way. The client cannot know whether a request without an
        answer was processed. A second one is safe: the proxy has chosen the
        id of the session, so that it cannot be opened twice.
        """
        try:
            return await self._send_once(access, method, path, data)
        except aiohttp.ClientConnectorError:
            raise
        except (
            aiohttp.ClientConnectionResetError,
            aiohttp.ClientOSError,
            aiohttp.ServerDisconnectedError,
        ):
            # aiohttp sends the other methods again by itself.
            if method != 'POST':
                raise
        answer = await self._send_once(access, method, path, data)
        return dataclasses.replace(answer, repeated=True)

    async def _send_once(
        self, access: Access, method: str, path: str, data: bytes | None
    ) -> _Answer:
        headers = {**_HEADERS, **access.headers}
        if data is not None:
            headers['Content-Type'] = 'application/json'
        async with self._session.request(
            method,
            access.endpoint + path,
            data=data,
            headers=headers,
            # Another server must not get the credential.
            allow_redirects=False,
            ssl=True if access.tls is None else access.tls,
            proxy=access.http_proxy,
        ) as response:
            return _Answer(
                response.status, response.headers, await response.read()
            )


def _delays(fixed: float | None) -> Iterator[float]:
    """Seconds before each retry, as keystoneauth waits."""
    delay = fixed or _FIRST_DELAY
    while True:
        yield delay
        if not fixed:
            delay = min(2 * delay, _LONGEST_DELAY)


def _response(answer: _Answer, sent_at: float) -> Response:
    document = None
    if answer.content:
        try:
            document = json.loads(answer.content)
        except (ValueError, RecursionError):
            raise ApiUnavailable(
                f'HTTP {answer.status} without JSON'
            ) from None
    retry_after = answer.headers.get('Retry-After', '')
    return Response(
        answer.status,
        document,
        sent_at,
        answer.headers.get('Date'),
        int(retry_after) if _NUMBER.fullmatch(retry_after) else 0,
        answer.repeated,
    )
