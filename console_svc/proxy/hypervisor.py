# SPDX-License-Identifier: Apache-2.0

"""The way to a console at its hypervisor."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from typing import Final, TypeVar

from oslo_config import cfg
from websockets.frames import CloseCode

from console_svc import rfb
from console_svc.proxy import tls
from console_svc.proxy.api import Opened
from console_svc.proxy.ended import Ended, Refused, Unreachable
from console_svc.proxy.streams import (
    Answers,
    HungUp,
    Stream,
    TCPStream,
    perform,
)

LOG = logging.getLogger(__name__)

# The console type that speaks RFB, whose handshake the proxy takes part in,
# and those that are carried as they are.
_RFB: Final = 'novnc'
_CARRIED: Final = ('spice-html5', 'serial')

_SCHEMES: Final = {
    'none': rfb.NONE,
    'vnc': rfb.VNC,
    'vencrypt': rfb.VENCRYPT,
}

# Seconds for a user to type a password.
_TYPING: Final = 120

# Bytes of the answer to CONNECT, at most.
_LONGEST_ANSWER: Final = 4096

_T = TypeVar('_T')

_NO_ANSWER: Final = 'The hypervisor does not answer.'


class Hypervisors:
    """Connects, and gets in."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.timeout: int = conf.proxy.handshake_timeout
        self.accepted = [_SCHEMES[name] for name in conf.vnc.auth_schemes]
        self.password: str | None = conf.vnc.hypervisor_password
        self.tls = tls.client(conf)

    @contextlib.asynccontextmanager
    async def connected(
        self, where: Opened, client: Stream
    ) -> AsyncIterator[Stream]:
        """A connection on which the console's own protocol begins.

        :param client: who is asked for a password, where one is needed
        :raises console_svc.proxy.ended.Ended: there is none
        """
        if where.console_type not in (_RFB, *_CARRIED):
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
            if where.console_type == _RFB:
                await self._turn_away(client, _NO_ANSWER)
            raise Unreachable(_NO_ANSWER) from None
        try:
            if where.internal_access_path is not None:
                await self._ask_for_path(server, where.internal_access_path)
            if where.console_type == _RFB:
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
        self, server: TCPStream, client: Stream, host: str
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
            await self._turn_away(client, reason, guard.asked)
            raise Unreachable(reason)
        if guard.asked is None:
            minor = await self.with_client(client, rfb.offer(rfb.NONE))
            await self.with_client(client, rfb.welcome(minor, rfb.NONE))
        else:
            await self.with_client(client, rfb.welcome(guard.asked, rfb.VNC))

    async def _turn_away(
        self, client: Stream, reason: str, asked: int | None = None
    ) -> None:
        """Have the browser's page say why there is no console.

        :param asked: version of RFB, where it has been asked for a password
        """
        handshake = (
            rfb.refuse(reason)
            if asked is None
            else rfb.turn_away(asked, reason)
        )
        with contextlib.suppress(Ended):
            await self.with_client(client, handshake)

    async def with_client(
        self,
        client: Stream,
        handshake: rfb.Handshake[_T],
        timeout: float | None = None,
    ) -> _T:
        """Go through a handshake with the browser.

        :raises console_svc.proxy.ended.Ended: it does not do its part
        """
        try:
            return await perform(client, handshake, timeout or self.timeout)
        except rfb.RFBError:
            raise Ended(
                CloseCode.PROTOCOL_ERROR, 'This console speaks RFB.'
            ) from None
        except (HungUp, OSError, TimeoutError):
            raise Ended(
                CloseCode.PROTOCOL_ERROR, 'The client has fallen silent.'
            ) from None


class _Guard(Answers):
    """Gets into a hypervisor's VNC server on a browser's behalf."""

    def __init__(
        self,
        hypervisors: Hypervisors,
        server: TCPStream,
        client: Stream,
        host: str,
    ) -> None:
        self._hypervisors = hypervisors
        self._server = server
        self._client = client
        self._host = host
        #: The browser's version of RFB, once it was asked for a password.
        self.asked: int | None = None

    async def respond(self, challenge: bytes) -> bytes:
        known = self._hypervisors.password
        if known is not None:
            return rfb.response(challenge, known)
        ask = self._hypervisors.with_client
        self.asked = await ask(self._client, rfb.offer(rfb.VNC))
        return await ask(self._client, rfb.ask(challenge), _TYPING)

    async def start_tls(self) -> None:
        if self._hypervisors.tls is None:
            await super().start_tls()
        else:
            await self._server.start_tls(self._hypervisors.tls, self._host)
