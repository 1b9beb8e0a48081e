# SPDX-License-Identifier: Apache-2.0

"""The front end for browsers: pages, and consoles over websockets."""

import asyncio
import dataclasses
import functools
import http
import logging
import time
import uuid
from collections.abc import Mapping
from typing import Final

from oslo_config import cfg
from websockets.frames import CloseCode

from console_svc import addresses, forwarded, origins
from console_svc.proxy import page_messages
from console_svc.proxy.browser_consoles import BrowserConsoles
from console_svc.proxy.connection_files import ConnectionFiles
from console_svc.proxy.console_api import ConsoleApi
from console_svc.proxy.cookies import SessionCookie
from console_svc.proxy.errors import (
    Ended,
    ProxyFailed,
    Refused,
)
from console_svc.proxy.http import messages
from console_svc.proxy.http.application import Connection
from console_svc.proxy.http.connection import HTTPConnection
from console_svc.proxy.http.messages import Request, Response
from console_svc.proxy.http.upgrade import Upgrade, upgrade
from console_svc.proxy.inputs import browser_input
from console_svc.proxy.monitoring import Metrics
from console_svc.proxy.page_messages import PageMessages
from console_svc.proxy.pages import Pages
from console_svc.proxy.pings import pinged
from console_svc.proxy.playback import Playback
from console_svc.proxy.security_headers import SecurityHeaders
from console_svc.proxy.sessions import Sessions
from console_svc.proxy.tokens import takes_over, token_of

LOG = logging.getLogger(__name__)

_METHODS: Final = ('GET', 'HEAD')
_ALLOW: Final = {'Allow': 'GET, HEAD, OPTIONS'}


@dataclasses.dataclass(slots=True)
class _Visit:
    """A websocket.

    :param takes_over: whether it ends the session that has the console
    :param cookie: None: there is no token
    :param messages: to a page that takes them
    """

    upgraded: Upgrade
    address: str
    takes_over: bool
    cookie: SessionCookie | None = None
    messages: PageMessages | None = None


class Browsers:
    """Serves pages, and relays websockets that have a console token.

    It is the :class:`~console_svc.proxy.http.application.Application`.

    :param connection_files: for native SPICE clients; None: there are none
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        api: ConsoleApi,
        sessions: Sessions,
        consoles: BrowserConsoles,
        metrics: Metrics,
        connection_files: ConnectionFiles | None = None,
    ) -> None:
        options = conf.proxy
        self._conf = conf
        self._options = options
        self._api = api
        self._sessions = sessions
        self._consoles = consoles
        self._metrics = metrics
        self._pages = Pages(conf)
        self._playback = Playback(conf, api)
        self._connection_files = connection_files
        self._security_headers = SecurityHeaders(conf)
        # Those for pages; a websocket has a task instead.
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_draining = False
        self.max_header_size = options.max_header_size
        self.head_timeout = options.handshake_timeout
        self.idle_timeout = options.http_idle_timeout

    def protocol(self) -> HTTPConnection:
        """The protocol of a new connection."""
        return HTTPConnection(self)

    async def drain(self, timeout: float) -> None:
        """Keep no connection for another request, and open no websocket.

        Responses are sent to their end, unless that takes too long. Websockets
        are not closed: their sessions drain by themselves.

        :param timeout: seconds
        """
        self.is_draining = True
        for connection in list(self._connections):
            connection.drain()
        deadline = time.monotonic() + timeout
        while self._connections and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        for connection in list(self._connections):
            connection.abort()

    async def wait_closed(self) -> None:
        """Wait until all websockets are closed."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def connected(self, connection: Connection) -> None:
        self._connections.add(connection)

    def disconnected(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def unexpected(self) -> None:
        self._metrics.unexpected('browser')

    def security_headers(self, request: Request | None) -> Mapping[str, str]:
        return self._security_headers.of(
            request is not None and self._scheme(request) == 'https'
        )

    async def respond(self, request: Request) -> Response:
        """Respond with a page, or with a recording."""
        if self._playback.serves(request):
            return await self._playback.get(
                request, self._client_address(request)
            )
        if request.method in _METHODS:
            if self._connection_files is not None:
                found = self._connection_files.response(request)
                if found is not None:
                    return found
            return await self._pages.get(request)
        if request.method == 'OPTIONS':
            return Response(http.HTTPStatus.NO_CONTENT, _ALLOW)
        return messages.text(
            http.HTTPStatus.METHOD_NOT_ALLOWED,
            'Pages are read with GET.',
            _ALLOW,
        )

    def upgrade(
        self, request: Request, transport: asyncio.Transport, rest: bytes
    ) -> Response | None:
        """Accept a websocket, and serve it."""
        if self.is_draining:
            return messages.text(
                http.HTTPStatus.SERVICE_UNAVAILABLE,
                'This console proxy is going down.',
            )
        if not self._is_origin_allowed(request):
            LOG.info(
                'A websocket from a page of %.300r was refused; to allow it, '
                'add the origin to [proxy] allowed_origins',
                request.header('Origin'),
            )
            return messages.text(
                http.HTTPStatus.FORBIDDEN, 'This origin is not allowed.'
            )
        address = self._client_address(request)
        token = token_of(request.target, request.headers.get_all('Cookie'))
        upgraded = upgrade(request, transport, rest)
        if isinstance(upgraded, Response):
            return upgraded
        visit = _Visit(upgraded, address, takes_over(request.target))
        if token is not None:
            is_secure = self._scheme(request) == 'https'
            visit.cookie = SessionCookie(request, token, is_secure)
        if page_messages.are_wanted(request):
            visit.messages = PageMessages(upgraded.websocket)
        task = asyncio.get_running_loop().create_task(self._serve(visit))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return None

    def _is_origin_allowed(self, request: Request) -> bool:
        """Whether the page that opens a websocket may open consoles.

        A client without an Origin header is not a browser (RFC 6455, section
        10.2), so there is no page that could misuse it.
        """
        if 'Origin' not in request.headers:
            return True
        return origins.is_allowed(
            request.header('Origin') or '',
            self._scheme(request),
            request.header('Host') or '',
            self._options.allowed_origins,
        )

    def _scheme(self, request: Request) -> str:
        """The scheme with which the browser sent a request."""
        if self._options.enable_proxy_headers_parsing:
            scheme = forwarded.scheme(
                request.headers.get_all('X-Forwarded-Proto'),
                self._options.trusted_hops,
            )
            if scheme is not None:
                return scheme
        return 'https' if request.is_tls else 'http'

    def _client_address(self, request: Request) -> str:
        if self._options.enable_proxy_headers_parsing:
            address = forwarded.client_address(
                request.headers.get_all('X-Forwarded-For'),
                self._options.trusted_hops,
            )
            if address is not None:
                return address
        return addresses.canonical(request.peer)

    async def _serve(self, visit: '_Visit') -> None:
        """Serve a websocket, and close it with the close reason."""
        upgraded, address = visit.upgraded, visit.address
        try:
            await self._relay(visit)
            ending = Ended(CloseCode.NORMAL_CLOSURE, 'The console has ended.')
        except Ended as error:
            ending = error
        except Exception:
            LOG.exception('Client %s: unexpected error', address)
            self._metrics.unexpected('browser')
            ending = ProxyFailed()
        if ending.code != CloseCode.NORMAL_CLOSURE:
            self._metrics.refused(ending.code)
        LOG.info('Client %s: session closed: %s', address, ending.reason)
        upgraded.accept()
        if visit.messages is not None:
            visit.messages.refused(ending)
        await upgraded.websocket.close(ending.code, _short(ending.reason))

    async def _relay(self, visit: '_Visit') -> None:
        began = time.monotonic()
        upgraded, cookie = visit.upgraded, visit.cookie
        if cookie is None:
            raise Refused('There is no console token in the URL.')
        if cookie.previous_secret is None:
            upgraded.accept(cookie.headers())
        stream = upgraded.websocket
        opening = functools.partial(
            self._api.open,
            cookie.token,
            visit.address,
            cookie.secrets,
            visit.takes_over,
        )
        async with self._sessions.opened(opening) as session:
            # Not before: if the API is unavailable, the browser must keep the
            # secret that it has sent.
            upgraded.accept(cookie.headers())
            if session.opened.speaks_spice:
                # Its channels are idle together, and each has a session.
                session.activity_id = str(
                    uuid.uuid5(uuid.NAMESPACE_OID, cookie.token)
                )
            if visit.messages is not None:
                session.mode_changed = visit.messages.mode
                session.others_changed = visit.messages.others
                visit.messages.mode(session.mode)
            async with (
                pinged(stream, self._options.ping_interval),
                self._consoles.connected(session.opened, stream) as server,
            ):
                session.input = browser_input(self._conf, session, server)
                self._metrics.set_up(time.monotonic() - began)
                await session.relay(stream, server)


def _short(reason: str) -> str:
    """As much of a reason as fits into a close frame (RFC 6455, 5.5)."""
    return reason.encode()[:123].decode(errors='ignore')
