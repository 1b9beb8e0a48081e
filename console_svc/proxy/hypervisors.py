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
from console_svc.proxy import dialing
from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.errors import PeerClosed, Refused, Unreachable
from console_svc.proxy.handshakes import Answers, Client, perform
from console_svc.proxy.streams import TCPStream
from console_svc.proxy.tls import HypervisorTLS

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

_NO_ANSWER: Final = 'The hypervisor does not answer.'


class Hypervisors:
    """Connects to consoles.

    :param tls: towards hypervisors; None: without TLS
    """

    def __init__(
        self, conf: cfg.ConfigOpts, tls: HypervisorTLS | None
    ) -> None:
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
        server = await connect(session, self._timeout)
        try:
            if session.internal_access_path is not None:
                await self._request_path(server, session)
            if session.speaks_rfb:
                await self._log_in(server, client, session.host)
            yield server
        finally:
            server.abort()

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
            raise Unreachable(_NO_ANSWER) from None
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
            reason = _NO_ANSWER
        LOG.warning(
            'The RFB handshake with the hypervisor at %s failed: %s',
            host,
            str(cause) or 'timed out',
        )
        raise Unreachable(reason)


async def connect(session: OpenedSession, timeout: float) -> TCPStream:
    """Connect to a session's console, without a handshake.

    :param timeout: seconds
    :raises console_svc.proxy.errors.Unreachable: it does not answer
    """
    host, port = session.host, session.port
    try:
        async with asyncio.timeout(timeout):
            connection = await dialing.connect(host, port)
            return TCPStream(*await asyncio.open_connection(sock=connection))
    # ValueError: IDNA has no form of the name, for example.
    except (OSError, TimeoutError, ValueError) as error:
        LOG.warning(
            'Cannot connect to the console at %s port %d: %s',
            host,
            port,
            str(error) or 'timed out',
        )
        raise Unreachable(_NO_ANSWER) from None


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
