# SPDX-License-Identifier: Apache-2.0

"""The front end for browsers: pages, and consoles over websockets."""

import asyncio
import contextlib
import functools
import http.cookies
import logging
import re
import socket
import ssl
import time
from collections.abc import Sequence
from typing import Final
from urllib import parse

from oslo_config import cfg
from websockets.asyncio import server as websockets
from websockets.datastructures import Headers
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from console_svc.proxy.console_api import ConsoleApi
from console_svc.proxy.errors import Ended, Refused
from console_svc.proxy.handshakes import Client
from console_svc.proxy.hypervisors import Hypervisors
from console_svc.proxy.metrics import Metrics
from console_svc.proxy.pages import Pages
from console_svc.proxy.sessions import Sessions
from console_svc.proxy.streams import BACKLOG, WebSocketStream

LOG = logging.getLogger(__name__)

# Strangers cause what the library would log as errors.
_LIBRARY: Final = logging.getLogger(f'{__name__}.library')

# Bytes that a client may send as one message, and how many of them wait.
_MAX_SIZE: Final = 256 * 1024
_MAX_QUEUE: Final = 4

# Seconds for a browser to say goodbye.
_CLOSE_TIMEOUT: Final = 5

# Connections besides those with a session: they are about to have one.
_SPARE: Final = 500

# What offers no subprotocol gets none: it takes what comes.
_BINARY: Final = Subprotocol('binary')

# All that a token can be made of.
_TOKEN: Final = re.compile(r'[A-Za-z0-9_-]{1,128}')


class Consoles:
    """Consoles, for whoever has a token for them."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        api: ConsoleApi,
        sessions: Sessions,
        hypervisors: Hypervisors,
        metrics: Metrics,
    ) -> None:
        self._options = conf.proxy
        self._api = api
        self._sessions = sessions
        self._hypervisors = hypervisors
        self._metrics = metrics
        self._pages = Pages(conf.proxy.web)
        _LIBRARY.setLevel(logging.CRITICAL)

    async def listen(
        self, listener: socket.socket, tls: ssl.SSLContext | None
    ) -> websockets.Server:
        """Serve on a socket."""
        ping = self._options.ping_interval or None
        return await websockets.serve(
            self._serve,
            sock=listener,
            backlog=BACKLOG,
            ssl=tls,
            process_request=self._before_upgrade,
            select_subprotocol=_select_subprotocol,
            create_connection=_connection(self._options.max_sessions + _SPARE),
            open_timeout=self._options.handshake_timeout,
            close_timeout=_CLOSE_TIMEOUT,
            ping_interval=ping,
            ping_timeout=ping,
            compression=None,
            max_size=_MAX_SIZE,
            max_queue=_MAX_QUEUE,
            server_header=None,
            logger=_LIBRARY,
        )

    def _before_upgrade(
        self, connection: websockets.ServerConnection, request: Request
    ) -> Response | None:
        """A page, or a refusal; None: it is to be a websocket."""
        if _header(request.headers, 'Upgrade') is None:
            status, headers, body = self._pages.get(request.path)
            return Response(
                status.value,
                status.phrase,
                Headers({**headers, 'Content-Length': str(len(body))}),
                body,
            )
        if not self._is_from_a_page_of_ours(connection, request):
            LOG.info(
                'A page of %s may open no console here; if it should, put '
                'its host into [proxy] allowed_origins',
                _header(request.headers, 'Origin'),
            )
            return connection.respond(
                http.HTTPStatus.FORBIDDEN, 'Not from this page.\n'
            )
        return None

    def _is_from_a_page_of_ours(
        self, connection: websockets.ServerConnection, request: Request
    ) -> bool:
        """Whether the browser shows a page that may open consoles.

        Who sends no Origin is no browser, and shows no pages (RFC 6455,
        section 10.2).
        """
        origin = _header(request.headers, 'Origin')
        if origin is None:
            return True
        secure = connection.transport.get_extra_info('ssl_object') is not None
        if self._options.enable_proxy_headers_parsing:
            forwarded = _header(request.headers, 'X-Forwarded-Proto')
            secure = secure if forwarded is None else forwarded == 'https'
        try:
            page = parse.urlsplit(origin)
            asked = parse.urlsplit(f'//{_header(request.headers, "Host")}')
            hosts = {asked.hostname, *self._options.allowed_origins}
        except ValueError:
            return False
        return (
            page.scheme == ('https' if secure else 'http')
            and page.hostname is not None
            and page.hostname in hosts
        )

    def _client_address(self, connection: websockets.ServerConnection) -> str:
        address: str = connection.remote_address[0]
        request = connection.request
        if self._options.enable_proxy_headers_parsing and request is not None:
            forwarded = _header(request.headers, 'X-Forwarded-For')
            if forwarded:
                # What was there before the load balancer, anybody can write.
                return forwarded.rpartition(',')[2].strip()
        return address

    async def _serve(self, connection: websockets.ServerConnection) -> None:
        """A websocket, from its first frame to its last."""
        address = self._client_address(connection)
        try:
            await self._console(connection, address)
            ending = Ended(CloseCode.NORMAL_CLOSURE, 'The console has ended.')
        except Ended as error:
            self._metrics.refused(error.code)
            ending = error
        LOG.info('Client %s has no console now: %s', address, ending.reason)
        await connection.close(ending.code, _short(ending.reason))

    async def _console(
        self, connection: websockets.ServerConnection, address: str
    ) -> None:
        began = time.monotonic()
        request = connection.request
        token = None if request is None else token_of(request)
        if token is None:
            raise Refused('There is no console token in the URL.')
        stream = WebSocketStream(connection)
        client = Client(stream, self._options.handshake_timeout)
        opening = functools.partial(self._api.open, token, address)
        async with (
            self._sessions.opened(opening) as session,
            self._hypervisors.connected(session.opened, client) as server,
        ):
            self._metrics.set_up(time.monotonic() - began)
            await session.relay(stream, server)


def token_of(request: Request) -> str | None:
    """The console token of a request, wherever a page has put it.

    In the query; inside the query's parameter ``path``, as in the URL that
    the page itself was opened with; or in a cookie, as old versions of noVNC
    send it.
    """
    for query in _queries(request.path):
        for token in query.get('token', []):
            if _TOKEN.fullmatch(token):
                return token
    cookies: http.cookies.SimpleCookie = http.cookies.SimpleCookie()
    with contextlib.suppress(http.cookies.CookieError):
        cookies.load(_header(request.headers, 'Cookie') or '')
    morsel = cookies.get('token')
    if morsel is not None and _TOKEN.fullmatch(morsel.value):
        return morsel.value
    return None


def _queries(target: str) -> list[dict[str, list[str]]]:
    query = parse.parse_qs(target.partition('?')[2])
    inner = [
        parse.parse_qs(path.partition('?')[2])
        for path in query.get('path', [])
    ]
    return [query, *inner]


def _connection(limit: int) -> type[websockets.ServerConnection]:
    """Connections, of which there are so many at most."""
    number = 0

    class Connection(websockets.ServerConnection):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            nonlocal number
            number += 1
            super().connection_made(transport)
            if number > limit:
                self.transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            nonlocal number
            number -= 1
            super().connection_lost(exc)

    return Connection


def _select_subprotocol(
    connection: websockets.ServerConnection, offered: Sequence[Subprotocol]
) -> Subprotocol | None:
    return _BINARY if _BINARY in offered else None


def _header(headers: Headers, name: str) -> str | None:
    """A header's value; of several, all of them."""
    return ', '.join(headers.get_all(name)) or None


def _short(reason: str) -> str:
    """What fits into a close frame (RFC 6455, section 5.5)."""
    return reason.encode()[:123].decode(errors='ignore')
