# SPDX-License-Identifier: Apache-2.0

"""The front end for native SPICE clients.

Each connection is a channel. The password of all channels is the console
token. The main channel opens the session, and the others join it.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from typing import Final

from oslo_config import cfg

from console_svc.conf.spice import OPTIONAL_CHANNELS
from console_svc.protocols import spice
from console_svc.protocols.spice import Channel, Code
from console_svc.proxy.api_answers import SPICE_DIRECT
from console_svc.proxy.console_api import ConsoleApi
from console_svc.proxy.errors import (
    ChannelClosed,
    ClientFailed,
    Ended,
    InvalidToken,
    LinkRefused,
    PeerClosed,
    ProxyFailed,
    Refused,
)
from console_svc.proxy.handshakes import perform
from console_svc.proxy.hypervisors import Hypervisors
from console_svc.proxy.inputs import channel_input
from console_svc.proxy.monitoring import Metrics
from console_svc.proxy.session import Session
from console_svc.proxy.sessions import Sessions
from console_svc.proxy.spice_servers import SpiceServers
from console_svc.proxy.streams import TCPStream
from console_svc.proxy.tcp_connections import TCPConnections, unless_closed

LOG = logging.getLogger(__name__)

# Links that fail because the client may not have the channel.
_REFUSALS: Final = (Code.CHANNEL_NOT_AVAILABLE, Code.BAD_CONNECTION_ID)


class SpiceClients:
    """Relays native SPICE clients.

    :param key: for their tickets
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        api: ConsoleApi,
        sessions: Sessions,
        hypervisors: Hypervisors,
        metrics: Metrics,
        key: spice.Key,
    ) -> None:
        self._conf = conf
        self._timeout: int = conf.proxy.handshake_timeout
        self._api = api
        self._sessions = sessions
        self._servers = SpiceServers(conf, hypervisors)
        self._metrics = metrics
        self._key = key
        self._channels = allowed_channels(conf)
        self._connections = TCPConnections(
            'spice_client', self._serve, metrics
        )

    def protocol(self, port: int) -> TCPStream:
        """The protocol of a new connection.

        :param port: to which the client has connected
        """
        return self._connections.protocol(port)

    async def stop(self) -> None:
        """Close all connections."""
        await self._connections.stop()

    async def _serve(self, stream: TCPStream, address: str, port: int) -> None:
        """Serve a channel until it ends."""
        try:
            async with asyncio.timeout(self._timeout):
                login = await perform(
                    stream,
                    spice.receive(self._key, self._channels),
                    self._timeout,
                )
        except (spice.SpiceError, PeerClosed, OSError) as error:
            code = getattr(error, 'code', None)
            self._metrics.spice_client(
                'refused' if code in _REFUSALS else 'broken'
            )
            LOG.info(
                'Native SPICE client %s on port %d: the link failed: %s',
                address,
                port,
                str(error) or 'timed out',
            )
            return
        try:
            await self._relay(stream, login, address)
            reason = 'The console has ended.'
        except Ended as error:
            reason = error.reason
        LOG.info(
            'Native SPICE client %s on port %d: %s channel closed: %s',
            address,
            port,
            login.link.channel.name.lower(),
            reason,
        )

    async def _relay(
        self, stream: TCPStream, login: spice.LogIn, address: str
    ) -> None:
        began = time.monotonic()
        async with contextlib.AsyncExitStack() as stack:
            try:
                session = await stack.enter_async_context(
                    self._session(stream, login, address)
                )
                session.input = channel_input(self._conf, session, login.link)
                server = await stack.enter_async_context(
                    self._servers.linked(session.opened, login.link)
                )
                await self._answer(stream, Code.OK)
            except ChannelClosed:
                self._metrics.spice_client('refused')
                # For spice-gtk, any other result is a wrong password, which
                # ends all channels.
                await self._answer(stream, Code.OK)
                raise
            except Ended as error:
                self._metrics.spice_client('refused')
                await self._refuse(stream, error)
                raise
            except Exception:
                self._metrics.spice_client('refused')
                await self._refuse(stream, ProxyFailed())
                raise
            self._metrics.spice_client('accepted')
            self._metrics.set_up(time.monotonic() - began)
            await session.relay(stream, server)

    @contextlib.asynccontextmanager
    async def _session(
        self, stream: TCPStream, login: spice.LogIn, address: str
    ) -> AsyncIterator[Session]:
        """The session of a channel.

        :raises console_svc.proxy.errors.Ended: the client may have none
        """
        token = login.password
        if token is None:
            # The answer must not tell from which tickets can be decrypted.
            raise InvalidToken
        found = (
            self._sessions.opened(
                lambda: unless_closed(stream, self._api.open(token, address))
            )
            if login.link.is_main
            else self._sessions.joined(
                lambda: unless_closed(stream, self._api.join(token, address))
            )
        )
        async with found as session:
            if session.opened.console_type != SPICE_DIRECT:
                raise Refused(
                    'Native SPICE clients require a token of the type '
                    f'{SPICE_DIRECT}.'
                )
            yield session

    async def _refuse(self, stream: TCPStream, error: Ended) -> None:
        """Tell the client by a code why it has no channel."""
        # A client that failed in _answer() may have received success.
        if isinstance(error, ClientFailed):
            return
        if isinstance(error, LinkRefused):
            code = error.link_code
        elif isinstance(error, Refused):
            code = Code.PERMISSION_DENIED
        else:
            code = Code.ERROR
        with contextlib.suppress(ClientFailed):
            await self._answer(stream, code)

    async def _answer(self, stream: TCPStream, code: int) -> None:
        """Send the result of the authentication.

        :raises console_svc.proxy.errors.ClientFailed: it closed, or does not
            read
        """
        try:
            async with asyncio.timeout(self._timeout):
                await stream.write(spice.result(code))
        except OSError:
            raise ClientFailed('The client closed the connection.') from None


def allowed_channels(conf: cfg.ConfigOpts) -> frozenset[Channel]:
    """The channels that native SPICE clients may open."""
    closed = {name for name, _ in OPTIONAL_CHANNELS} - {*conf.spice.channels}
    return frozenset(it for it in Channel if it.name.lower() not in closed)
