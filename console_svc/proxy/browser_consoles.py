# SPDX-License-Identifier: Apache-2.0

"""The consoles that browsers open, by the protocol of their type."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from oslo_config import cfg

from console_svc.proxy.api_answers import WEBMKS, OpenedSession
from console_svc.proxy.errors import Unreachable
from console_svc.proxy.handshakes import Browser
from console_svc.proxy.hypervisors import Hypervisors, is_shared
from console_svc.proxy.mks_servers import MKSServers
from console_svc.proxy.rdp import RDPServers
from console_svc.proxy.relaying import Server
from console_svc.proxy.websocket import WebSocketStream


class BrowserConsoles:
    """Connects browsers to consoles of all types."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        hypervisors: Hypervisors,
        rdp_servers: RDPServers,
    ) -> None:
        self._conf = conf
        self._timeout: int = conf.proxy.handshake_timeout
        self._hypervisors = hypervisors
        self._rdp_servers = rdp_servers
        self._mks_servers = MKSServers(conf)

    def connected(
        self, session: OpenedSession, stream: WebSocketStream
    ) -> AbstractAsyncContextManager[Server]:
        """A connection to a console, after the handshakes with both ends.

        It is closed with the context.

        :param stream: to the browser
        :raises console_svc.proxy.errors.Ended: the console is unreachable, or
            an end fails its handshake
        """
        if session.console_type == WEBMKS:
            return self._mks_servers.connected(session)
        if session.speaks_rdp:
            return self._rdp_servers.connected(session, stream)
        return self._relayed(session, stream)

    @contextlib.asynccontextmanager
    async def _relayed(
        self, session: OpenedSession, stream: WebSocketStream
    ) -> AsyncIterator[Server]:
        browser = Browser(stream, self._timeout)
        try:
            async with self._hypervisors.connected(session, browser) as server:
                if session.speaks_rfb:
                    await browser.welcome()
                    await browser.initialise(
                        server, is_shared(self._conf, session)
                    )
                yield server
        except Unreachable as error:
            # noVNC shows the reason of a failed RFB handshake, but not that
            # of the close frame.
            if session.speaks_rfb:
                await browser.refuse(error.reason)
            raise
