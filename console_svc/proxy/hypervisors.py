# SPDX-License-Identifier: Apache-2.0

"""Connections to the consoles at hypervisors."""

import asyncio
import contextlib
import logging
import re
import ssl
from collections.abc import AsyncIterator
from typing import Final

from oslo_config import cfg

from console_svc.protocols import rfb
from console_svc.proxy import dialing, streams
from console_svc.proxy.api_answers import VIEW, OpenedSession
from console_svc.proxy.errors import PeerClosed, Refused, Unreachable
from console_svc.proxy.handshakes import Answers, Client, perform
from console_svc.proxy.streams import TCPStream
from console_svc.proxy.tls import HypervisorTLS, SpiceServerTLS

LOG = logging.getLogger(__name__)

# Console types whose bytes are relayed without a handshake by the proxy.
_RELAYED: Final = frozenset({'spice-html5', 'serial'})

_SECURITY_TYPES: Final = {
    'none': rfb.NONE,
    'vnc': rfb.VNC,
    'vencrypt': rfb.VENCRYPT,
}

# The visible characters of ASCII. A request's target has no others (RFC 9112,
# section 3.2); CR and LF in it could add headers.
_PATH: Final = re.compile(r'[!-~]+')

# Most bytes of the response to CONNECT, and how it starts on success
# (RFC 9112, section 4). Some servers omit the space before an empty reason
# phrase.
_LONGEST_RESPONSE: Final = 4096
_CONNECTED: Final = re.compile(rb'HTTP/1\.[01] 200(?: [^\r\n]*)?\r\n')

#: The reason if nothing comes back in time.
NO_ANSWER: Final = 'The hypervisor does not answer.'


class Hypervisors:
    """Connects to consoles.

    :param tls: towards VNC servers; None: without TLS
    :param spice_tls: towards SPICE servers; None: without TLS
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        tls: HypervisorTLS | None,
        spice_tls: SpiceServerTLS | None = None,
    ) -> None:
        self._spice_tls = spice_tls
        self._requires_spice_tls: bool = conf.spice.require_secure
        self._timeout: int = conf.proxy.handshake_timeout
        self._security_types = [
            _SECURITY_TYPES[name] for name in conf.vnc.auth_schemes
        ]
        self._password: str | None = conf.vnc.hypervisor_password
        self._tls = tls

    @contextlib.asynccontextmanager
    async def connected(
        self, session: OpenedSession, client: Client
    ) -> AsyncIterator[TCPStream]:
        """A connection to a session's console, closed with the context.

        Where the console speaks RFB, the handshake with the hypervisor is
        done; the client's is not.

        :param client: is asked for the password, if the hypervisor requires
            one that the proxy does not have
        :raises console_svc.proxy.errors.Refused: the proxy does not serve this
            type of console
        :raises console_svc.proxy.errors.Unreachable: the hypervisor does not
            answer, or fails the handshake
        :raises console_svc.proxy.errors.Ended: the client does not send the
            password
        """
        if not session.speaks_rfb and session.console_type not in _RELAYED:
            raise Refused(
                'This proxy does not serve consoles of the type '
                f'{session.console_type}.'
            )
        async with self.dialed(session) as server:
            if session.speaks_rfb:
                await self._log_in(server, client, session.host)
            yield server

    @contextlib.asynccontextmanager
    async def dialed(self, session: OpenedSession) -> AsyncIterator[TCPStream]:
        """A connection to a session's console, without its handshake.

        To a SPICE console it has TLS, by the options.

        :raises console_svc.proxy.errors.Unreachable: the hypervisor does not
            answer, or is not trusted
        """
        tls = self._tls_of(session)
        server = await connect(
            session, self._timeout, None if tls is None else session.tls_port
        )
        try:
            if tls is not None:
                await self._start_tls(server, tls, session.host)
            if session.internal_access_path is not None:
                await self._request_path(server, session)
            yield server
        finally:
            server.abort()

    def _tls_of(self, session: OpenedSession) -> ssl.SSLContext | None:
        """TLS for a console from the first byte; None: without."""
        if not session.speaks_spice:
            return None
        if self._spice_tls is not None and session.tls_port is not None:
            return self._spice_tls.context
        if self._requires_spice_tls:
            LOG.warning(
                'The SPICE console at %s port %d is refused: it has no port '
                'for TLS, which [spice] require_secure requires',
                session.host,
                session.port,
            )
            raise Unreachable('The hypervisor has no TLS for this console.')
        return None

    async def _start_tls(
        self, server: TCPStream, context: ssl.SSLContext, host: str
    ) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                await server.start_tls(context, host)
            return
        except ssl.SSLError as error:
            cause: Exception = error
            reason = 'The hypervisor is not trusted, or rejects the proxy.'
        except (PeerClosed, OSError, TimeoutError) as error:
            cause = error
            reason = NO_ANSWER
        LOG.warning(
            'The TLS handshake with the SPICE server at %s failed: %s',
            host,
            str(cause) or 'timed out',
        )
        raise Unreachable(reason)

    async def _request_path(
        self, server: TCPStream, session: OpenedSession
    ) -> None:
        """Send CONNECT to a host that has many consoles behind one port."""
        path = session.internal_access_path or ''
        if not _PATH.fullmatch(path):
            LOG.warning(
                'The access path of the console at %s port %d is not sent: '
                'it has characters that are not allowed in a request',
                session.host,
                session.port,
            )
            raise Unreachable('The access path of this console is invalid.')
        response = b''
        try:
            async with asyncio.timeout(self._timeout):
                await server.write(f'CONNECT {path} HTTP/1.1\r\n\r\n'.encode())
                while not response.endswith(b'\r\n\r\n'):
                    if len(response) >= _LONGEST_RESPONSE:
                        break
                    # Byte by byte: what follows belongs to the console.
                    response += await server.read_exactly(1)
        except (PeerClosed, OSError, TimeoutError):
            raise Unreachable(NO_ANSWER) from None
        if not _CONNECTED.match(response):
            raise Unreachable('The hypervisor does not know this console.')

    async def _log_in(
        self, server: TCPStream, client: Client, host: str
    ) -> None:
        """Perform the RFB handshake with the hypervisor, up to ClientInit."""
        answers = _HypervisorAnswers(
            server,
            client,
            host,
            self._password,
            None if self._tls is None else self._tls.context,
        )
        try:
            await perform(
                server,
                rfb.log_in(self._security_types),
                self._timeout,
                answers,
            )
            return
        except rfb.RFBError as error:
            cause: Exception = error
            reason = f'The hypervisor refuses: {error}'
        except ssl.SSLError as error:
            cause = error
            reason = 'The hypervisor is not trusted, or rejects the proxy.'
        except (PeerClosed, OSError, TimeoutError) as error:
            cause = error
            reason = NO_ANSWER
        LOG.warning(
            'The RFB handshake with the hypervisor at %s failed: %s',
            host,
            str(cause) or 'timed out',
        )
        raise Unreachable(reason)


def is_shared(conf: cfg.ConfigOpts, session: OpenedSession) -> bool:
    """Whether a VNC client shares its console, whatever it says itself."""
    return session.mode == VIEW or conf.vnc.shared_flag == 'always'


async def connect(
    session: OpenedSession, timeout: float, port: int | None = None
) -> TCPStream:
    """Connect to a session's console, without a handshake.

    :param timeout: seconds
    :param port: None: the console's port
    :raises console_svc.proxy.errors.Unreachable: it does not answer
    """
    host, port = session.host, port or session.port
    try:
        async with asyncio.timeout(timeout):
            return await streams.connected(await dialing.connect(host, port))
    # ValueError: IDNA has no form of the name, for example.
    except (OSError, TimeoutError, ValueError) as error:
        LOG.warning(
            'Cannot connect to the console at %s port %d: %s',
            host,
            port,
            str(error) or 'timed out',
        )
        raise Unreachable(NO_ANSWER) from None


class _HypervisorAnswers(Answers):
    """What the handshake with a hypervisor needs: a password, and TLS.

    :param password: of all hypervisors; None: ask the client for it
    :param context: None: without TLS
    """

    def __init__(
        self,
        server: TCPStream,
        client: Client,
        host: str,
        password: str | None,
        context: ssl.SSLContext | None,
    ) -> None:
        self._server = server
        self._client = client
        self._host = host
        self._password = password
        self._context = context

    async def respond(self, challenge: bytes) -> bytes:
        if self._password is None:
            return await self._client.respond(challenge)
        return rfb.response(challenge, self._password)

    async def start_tls(self) -> None:
        if self._context is None:
            await super().start_tls()
        else:
            await self._server.start_tls(self._context, self._host)
