# SPDX-License-Identifier: Apache-2.0

"""The front end for browsers: pages, and consoles over websockets."""

import asyncio
import functools
import http
import logging
import time
from typing import Final

from oslo_config import cfg
from websockets.asyncio import server as websockets
from websockets.datastructures import Headers
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from console_svc import addresses, forwarded, origins
from console_svc.proxy.console_api import ConsoleApi
from console_svc.proxy.errors import (
    Ended,
    ProxyFailed,
    Refused,
    Unreachable,
)
from console_svc.proxy.handshakes import Browser
from console_svc.proxy.hypervisors import Hypervisors
from console_svc.proxy.monitoring import Metrics
from console_svc.proxy.pages import Pages
from console_svc.proxy.pings import pinged
from console_svc.proxy.sessions import Sessions
from console_svc.proxy.streams import WebSocketStream
from console_svc.proxy.tokens import token_of
from console_svc.proxy.websocket_server import WebSocketServer

LOG = logging.getLogger(__name__)

# Seconds to close a websocket, with the data that the browser must read first.
_FLUSH_TIMEOUT: Final = 20

# Most bytes of a request's target and headers. The library's own limits,
# 128 lines of 8 KiB each, allow for 1 MiB.
_MAX_HEAD: Final = 64 * 1024


class Browsers:
    """Serves pages, and relays websockets that have a console token."""

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
        self.server = WebSocketServer(
            self._respond, self._serve, conf.proxy.handshake_timeout
        )

    def _respond(
        self, connection: websockets.ServerConnection, request: Request
    ) -> Response | None:
        """Respond to a request; the library's own log is silenced."""
        try:
            return self._before_upgrade(connection, request)
        except Exception:
            LOG.exception(
                'A request of client %s failed unexpectedly',
                connection.remote_address,
            )
            self._metrics.unexpected('browser')
            return connection.respond(
                http.HTTPStatus.INTERNAL_SERVER_ERROR,
                'The console proxy failed unexpectedly.\n',
            )

    def _before_upgrade(
        self, connection: websockets.ServerConnection, request: Request
    ) -> Response | None:
        """Respond with a page or a refusal; None: accept the websocket."""
        if _head_size(request) > _MAX_HEAD:
            return connection.respond(
                http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                'The headers of the request are too large. Delete the '
                'cookies of this site.\n',
            )
        if _header(request.headers, 'Upgrade') is None:
            status, headers, body = self._pages.get(request.path)
            return Response(
                status.value,
                status.phrase,
                Headers({**headers, 'Content-Length': str(len(body))}),
                body,
            )
        if not self._is_origin_allowed(connection, request):
            LOG.info(
                'A websocket from a page of %.300r was refused; to allow it, '
                'add the origin to [proxy] allowed_origins',
                _header(request.headers, 'Origin'),
            )
            return connection.respond(
                http.HTTPStatus.FORBIDDEN, 'This origin is not allowed.\n'
            )
        return None

    def _is_origin_allowed(
        self, connection: websockets.ServerConnection, request: Request
    ) -> bool:
        """Whether the page that opens a websocket may open consoles.

        A client without an Origin header is not a browser (RFC 6455, section
        10.2), so there is no page that could misuse it.
        """
        if 'Origin' not in request.headers:
            return True
        return origins.is_allowed(
            _header(request.headers, 'Origin') or '',
            self._scheme(connection, request),
            _header(request.headers, 'Host') or '',
            self._options.allowed_origins,
        )

    def _scheme(
        self, connection: websockets.ServerConnection, request: Request
    ) -> str:
        """The scheme with which the browser sent a request."""
        if self._options.enable_proxy_headers_parsing:
            scheme = forwarded.scheme(
                request.headers.get_all('X-Forwarded-Proto'),
                self._options.trusted_hops,
            )
            if scheme is not None:
                return scheme
        is_tls = connection.transport.get_extra_info('ssl_object') is not None
        return 'https' if is_tls else 'http'

    def _client_address(self, connection: websockets.ServerConnection) -> str:
        request = connection.request
        if self._options.enable_proxy_headers_parsing and request is not None:
            address = forwarded.client_address(
                request.headers.get_all('X-Forwarded-For'),
                self._options.trusted_hops,
            )
            if address is not None:
                return address
        return addresses.canonical(connection.remote_address[0])

    async def _serve(self, connection: websockets.ServerConnection) -> None:
        """Serve a websocket, and close it with the close reason."""
        address = 'unknown'
        try:
            address = self._client_address(connection)
            await self._relay(connection, address)
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
        await _close(connection, ending)

    async def _relay(
        self, connection: websockets.ServerConnection, address: str
    ) -> None:
        began = time.monotonic()
        request = connection.request
        token = request and token_of(
            request.path, request.headers.get_all('Cookie')
        )
        if not token:
            raise Refused('There is no console token in the URL.')
        stream = WebSocketStream(connection)
        browser = Browser(stream, self._options.handshake_timeout)
        opening = functools.partial(self._api.open, token, address)
        async with (
            self._sessions.opened(opening) as session,
            pinged(connection, self._options.ping_interval),
        ):
            speaks_rfb = session.opened.speaks_rfb
            try:
                async with self._hypervisors.connected(
                    session.opened, browser
                ) as server:
                    if speaks_rfb:
                        await browser.welcome()
                    self._metrics.set_up(time.monotonic() - began)
                    await session.relay(stream, server)
            except Unreachable as error:
                # noVNC shows the reason of a failed RFB handshake, but not
                # that of the close frame.
                if speaks_rfb:
                    await browser.refuse(error.reason)
                raise


def _head_size(request: Request) -> int:
    """The size of a request's target and headers."""
    return len(request.path) + sum(
        len(name) + len(value) for name, value in request.headers.raw_items()
    )


async def _close(
    connection: websockets.ServerConnection, ending: Ended
) -> None:
    """Close a websocket, or abort it if the browser does not read."""
    try:
        async with asyncio.timeout(_FLUSH_TIMEOUT):
            await connection.close(ending.code, _short(ending.reason))
    except TimeoutError:
        connection.transport.abort()


def _header(headers: Headers, name: str) -> str | None:
    """The value of a header, or the values of all with the same name."""
    return ', '.join(headers.get_all(name)) or None


def _short(reason: str) -> str:
    """As much of a reason as fits into a close frame (RFC 6455, 5.5)."""
    return reason.encode()[:123].decode(errors='ignore')
