# SPDX-License-Identifier: Apache-2.0

"""The way to a console at its hypervisor."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from typing import Final

from oslo_config import cfg

from console_svc.protocols import rfb
from console_svc.proxy import tls
from console_svc.proxy.console_api import Opened
from console_svc.proxy.errors import Refused, Unreachable
from console_svc.proxy.handshakes import Client
from console_svc.proxy.streams import (
    Answers,
    HungUp,
    Stream,
    TCPStream,
    perform,
)

LOG = logging.getLogger(__name__)

# The console types that speak RFB, whose handshake the proxy takes part in,
# and those that are carried as they are.
_RFB: Final = ('novnc', 'vnc')
_CARRIED: Final = ('spice-html5', 'serial')

_SCHEMES: Final = {
    'none': rfb.NONE,
    'vnc': rfb.VNC,
    'vencrypt': rfb.VENCRYPT,
}

# Bytes of the answer to CONNECT, at most.
_LONGEST_ANSWER: Final = 4096

_NO_ANSWER: Final = 'The hypervisor does not answer.'


class Hypervisors:
    """Connects, and gets in."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.timeout: int = conf.proxy.handshake_timeout
        self.accepted = [_SCHEMES[name] for name in conf.vnc.auth_schemes]
        self.password: str | None = conf.vnc.hypervisor_password
        self.tls = tls.hypervisors(conf)

    @contextlib.asynccontextmanager
    async def connected(
        self, where: Opened, client: Client
    ) -> AsyncIterator[Stream]:
        """A connection on which the console's own protocol begins.

        :param client: who is told how it went, where the console speaks RFB
        :raises console_svc.proxy.errors.Ended: there is none
        """
        if where.console_type not in (*_RFB, *_CARRIED):
            raise Refused(
                f'Consoles of the type {where.console_type} are not to be '
                'had here.'
            )
        try:
            async with asyncio.timeout(self.timeout):
                server = TCPStream(
                    *await asyncio.open_connection(where.host, where.port)
                )
        except (OSError, TimeoutError) as error:
            LOG.warning(
                'Console %s port %d cannot be reached: %s',
                where.host,
                where.port,
                error or 'it does not answer',
            )
            if where.console_type in _RFB:
                await client.turn_away(_NO_ANSWER)
            raise Unreachable(_NO_ANSWER) from None
        try:
            if where.internal_access_path is not None:
                await self._ask_for_path(server, where.internal_access_path)
            if where.console_type in _RFB:
                await self._get_in(server, client, where.host)
            yield server
        finally:
            server.abort()

    async def _ask_for_path(self, server: Stream, path: str) -> None:
        """CONNECT, as proxies of consoles behind one port want it."""
        answer = b''
        try:
            async with asyncio.timeout(self.timeout):
                await server.write(f'CONNECT {path} HTTP/1.1\r\n\r\n'.encode())
                while not answer.endswith(b'\r\n\r\n'):
                    if len(answer) >= _LONGEST_ANSWER:
                        break
                    # No byte more: what follows is the console's.
                    answer += await server.read_exactly(1)
        except (HungUp, OSError, TimeoutError):
            raise Unreachable(_NO_ANSWER) from None
        if answer.split(b' ', 2)[1:2] != [b'200']:
            raise Unreachable('The hypervisor does not know this console.')

    async def _get_in(
        self, server: TCPStream, client: Client, host: str
    ) -> None:
        """RFB's handshake with both ends, up to ClientInit."""
        guard = _Guard(self, server, client, host)
        reason = None
        try:
            await perform(
                server, rfb.log_in(self.accepted), self.timeout, guard
            )
        except rfb.RFBError as error:
            reason = f'The hypervisor refuses: {error}'
        except ssl.SSLError as error:
            LOG.warning('No TLS with the hypervisor at %s: %s', host, error)
            reason = 'The hypervisor is not trusted, or does not trust us.'
        except (HungUp, OSError, TimeoutError):
            reason = _NO_ANSWER
        if reason is not None:
            LOG.warning('No console of the hypervisor at %s: %s', host, reason)
            await client.turn_away(reason)
            raise Unreachable(reason)
        await client.welcome()


class _Guard(Answers):
    """Gets into a hypervisor's VNC server on a client's behalf."""

    def __init__(
        self,
        hypervisors: Hypervisors,
        server: TCPStream,
        client: Client,
        host: str,
    ) -> None:
        self._hypervisors = hypervisors
        self._server = server
        self._client = client
        self._host = host

    async def respond(self, challenge: bytes) -> bytes:
        known = self._hypervisors.password
        if known is not None:
            return rfb.response(challenge, known)
        return await self._client.respond(challenge)

    async def start_tls(self) -> None:
        if self._hypervisors.tls is None:
            await super().start_tls()
        else:
            await self._server.start_tls(self._hypervisors.tls, self._host)
