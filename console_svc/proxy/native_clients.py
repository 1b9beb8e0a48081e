# SPDX-License-Identifier: Apache-2.0

"""The gateway: the front end for native VNC clients.

It has no passwords: the API checks a client's response to its challenge.
"""

import asyncio
import contextlib
import logging
import secrets
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping

from oslo_config import cfg

from console_svc.protocols import rfb
from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.console_api import ConsoleApi
from console_svc.proxy.errors import (
    ClientFailed,
    Ended,
    LoginFailed,
    PeerClosed,
    ProxyFailed,
)
from console_svc.proxy.handshakes import Answers, NativeClient, perform
from console_svc.proxy.hypervisors import Hypervisors, is_shared
from console_svc.proxy.inputs import vnc_input
from console_svc.proxy.monitoring import Metrics
from console_svc.proxy.sessions import Sessions
from console_svc.proxy.streams import TCPStream
from console_svc.proxy.tcp_connections import TCPConnections, unless_closed

LOG = logging.getLogger(__name__)


class NativeClients:
    """Relays native clients that log in with a console's password.

    :param tls: towards clients; None: without TLS
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        api: ConsoleApi,
        sessions: Sessions,
        hypervisors: Hypervisors,
        metrics: Metrics,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._conf = conf
        self._options = conf.rfb
        self._timeout: int = conf.proxy.handshake_timeout
        self._api = api
        self._sessions = sessions
        self._hypervisors = hypervisors
        self._metrics = metrics
        self._tls = tls
        self._connections = TCPConnections(
            'native_client', self._log_in_and_relay, metrics
        )

    def protocol(self, port: int) -> TCPStream:
        """The protocol of a new connection.

        :param port: to which the client has connected
        """
        return self._connections.protocol(port)

    async def stop(self) -> None:
        """Close all connections."""
        await self._connections.stop()

    async def _log_in_and_relay(
        self, stream: TCPStream, address: str, port: int
    ) -> None:
        challenge = secrets.token_bytes(rfb.CHALLENGE)
        try:
            login = await self._receive_login(stream, port, challenge)
        except (rfb.RFBError, PeerClosed, OSError) as error:
            self._metrics.native_client('broken')
            LOG.info(
                'Native client %s on port %d: RFB handshake failed: %s',
                address,
                port,
                str(error) or 'timed out',
            )
            return
        console: Mapping[str, int | str] = (
            {'port': port}
            if login.user_name is None
            else {'user_name': login.user_name}
        )
        try:
            await self._relay(
                stream,
                NativeClient(stream, self._timeout, login.minor),
                lambda: unless_closed(
                    stream,
                    self._api.log_in(
                        console, challenge, login.response, address
                    ),
                ),
            )
            reason = 'The console has ended.'
        except Ended as error:
            reason = error.reason
        LOG.info(
            'Native client %s on port %d: session closed: %s',
            address,
            port,
            reason,
        )

    async def _receive_login(
        self, stream: TCPStream, port: int, challenge: bytes
    ) -> rfb.Credentials:
        by_name = port == self._options.listen_port
        subtype = rfb.X509_PLAIN if by_name else rfb.X509_VNC
        handshake = rfb.receive(
            challenge, self._security_types(by_name), subtype
        )
        return await perform(
            stream, handshake, self._timeout, _ClientTLS(stream, self._tls)
        )

    async def _relay(
        self,
        stream: TCPStream,
        client: NativeClient,
        opening: Callable[[], Awaitable[OpenedSession]],
    ) -> None:
        began = time.monotonic()
        async with contextlib.AsyncExitStack() as stack:
            try:
                session = await stack.enter_async_context(
                    self._sessions.opened(opening)
                )
                server = await stack.enter_async_context(
                    self._hypervisors.connected(session.opened, client)
                )
                await client.welcome()
            except Ended as error:
                await self._refuse(stream, client, error)
                raise
            except Exception:
                await self._refuse(stream, client, ProxyFailed())
                raise
            self._metrics.native_client('accepted')
            self._metrics.set_up(time.monotonic() - began)
            await client.initialise(
                server, is_shared(self._conf, session.opened)
            )
            session.input = vnc_input(self._conf, session)
            await session.relay(stream, server)

    async def _refuse(
        self, stream: TCPStream, client: NativeClient, error: Ended
    ) -> None:
        """Count a refusal, and tell the client the reason."""
        if isinstance(error, LoginFailed):
            self._metrics.native_client('locked' if error.locked else 'failed')
            # The wait grows with each wrong password in a row.
            await unless_closed(stream, asyncio.sleep(error.wait))
        else:
            self._metrics.native_client('refused')
        # A client that failed in welcome() may already have received success.
        if not isinstance(error, ClientFailed):
            await client.refuse(error.reason)

    def _security_types(self, by_name: bool) -> list[int]:
        """The security types that a port offers.

        Many clients take the first that they know. noVNC knows xvp and
        VeNCrypt, but not the subtypes used here; no other client knows xvp.
        """
        plain = rfb.XVP if by_name else rfb.VNC
        if self._tls is None:
            return [plain]
        if self._options.require_tls:
            return [rfb.VENCRYPT]
        return [plain, rfb.VENCRYPT] if by_name else [rfb.VENCRYPT, plain]


class _ClientTLS(Answers):
    """TLS towards a client, if it is configured."""

    def __init__(
        self, stream: TCPStream, context: ssl.SSLContext | None
    ) -> None:
        self._stream = stream
        self._context = context

    async def start_tls(self) -> None:
        if self._context is None:
            await super().start_tls()
        else:
            await self._stream.start_tls(self._context)
