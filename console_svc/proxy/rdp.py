# SPDX-License-Identifier: Apache-2.0

"""Connections of browsers to RDP servers, by RDCleanPath.

See :mod:`console_svc.protocols.rdp`.
"""

import contextlib
import http
import logging
import ssl
from collections.abc import AsyncIterator, Generator
from typing import Any

from oslo_config import cfg
from websockets.frames import CloseCode

from console_svc.protocols import rdp
from console_svc.proxy import hypervisors
from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.errors import (
    ClientFailed,
    Ended,
    PeerClosed,
    Unreachable,
)
from console_svc.proxy.handshakes import Answers, perform
from console_svc.proxy.relaying import Through
from console_svc.proxy.streams import Stream, TCPStream
from console_svc.proxy.tls import RDPServerTLS

LOG = logging.getLogger(__name__)


class RDPServers:
    """Connects browsers to RDP servers."""

    def __init__(self, conf: cfg.ConfigOpts, tls: RDPServerTLS) -> None:
        self._timeout: int = conf.proxy.handshake_timeout
        self._tls = tls

    @contextlib.asynccontextmanager
    async def connected(
        self, session: OpenedSession, browser: Stream
    ) -> AsyncIterator['RDPServer']:
        """A connection inside TLS to a session's console.

        It is closed with the context. The browser has the answer to its
        request: all that follows can be relayed.

        :raises console_svc.proxy.errors.ClientFailed: the browser does not
            send a request
        :raises console_svc.proxy.errors.Unreachable: the RDP server does not
            answer, is not trusted, or refuses TLS
        """
        async with contextlib.AsyncExitStack() as stack:
            try:
                identifier = _identifier(session)
                request = await self._receive(browser)
                if request is None and identifier is None:
                    raise ClientFailed(
                        'This console requires an X.224 request.'
                    )
                server = await hypervisors.connect(session, self._timeout)
                stack.callback(server.abort)
                confirm = await self._shake_hands(
                    server, session, rdp.connect(request, identifier)
                )
            except Ended as error:
                await self._refuse(browser, error)
                raise
            answer = rdp.response(confirm, server.peer_certificates())
            await self._send(browser, answer)
            yield RDPServer(server, rdp.selects_credssp(confirm))

    async def _receive(self, browser: Stream) -> bytes | None:
        """The X.224 request of a browser; None: it has none."""
        try:
            return await perform(browser, rdp.receive_request(), self._timeout)
        except rdp.RDPError:
            raise ClientFailed(
                'This console requires an RDP client with RDCleanPath.'
            ) from None
        except TimeoutError:
            raise ClientFailed('The client timed out.') from None
        except (PeerClosed, OSError):
            raise ClientFailed('The client closed the connection.') from None

    async def _shake_hands(
        self,
        server: TCPStream,
        session: OpenedSession,
        handshake: Generator[Any, bytes, bytes | None],
    ) -> bytes | None:
        """Perform the handshake with an RDP server, including TLS.

        :returns: its X.224 confirm
        """
        try:
            return await perform(
                server,
                handshake,
                self._timeout,
                _TLS(server, self._tls.context, session.host),
            )
        except (rdp.RDPError, PeerClosed, OSError, TimeoutError) as error:
            cause = error
        LOG.warning(
            'The RDP handshake with the server at %s port %d failed: %s',
            session.host,
            session.port,
            str(cause) or 'timed out',
        )
        raise _unreachable(cause)

    async def _refuse(self, browser: Stream, error: Ended) -> None:
        """Tell the client of RDCleanPath, which may not see the close code."""
        confirm = error.confirm if isinstance(error, _TLSRefused) else None
        status = (
            http.HTTPStatus.BAD_GATEWAY
            if error.code == CloseCode.BAD_GATEWAY
            else http.HTTPStatus.BAD_REQUEST
        )
        with contextlib.suppress(Ended):
            await self._send(browser, rdp.refusal(status, confirm))

    async def _send(self, browser: Stream, answer: bytes) -> None:
        try:
            await browser.write(answer)
        except OSError:
            raise ClientFailed('The client closed the connection.') from None


class RDPServer(Through):
    """An RDP server, whose PDUs are handed over one by one.

    :param connection: inside TLS
    :param has_credssp: whether the log-in by CredSSP is next
    """

    def __init__(self, connection: TCPStream, has_credssp: bool) -> None:
        super().__init__(connection)
        self.has_credssp = has_credssp
        self._cutter = rdp.Cutter()

    def received(self, data: bytes) -> None:
        for piece in self._cutter.cut(data):
            self._receiver.received(piece)


def _identifier(session: OpenedSession) -> str | None:
    """The identifier of a console that is one of many behind one port."""
    identifier = session.internal_access_path
    if identifier is not None and not rdp.is_identifier(identifier):
        raise Unreachable('The access path of this console is invalid.')
    return identifier


class _TLSRefused(Unreachable):
    """The RDP server does not agree on TLS.

    :param confirm: its X.224 confirm
    """

    def __init__(self, reason: str, confirm: bytes) -> None:
        super().__init__(reason)
        self.confirm = confirm


class _TLS(Answers):
    """The step of the handshake that starts TLS."""

    def __init__(
        self, server: TCPStream, context: ssl.SSLContext, host: str
    ) -> None:
        self._server = server
        self._context = context
        self._host = host

    async def start_tls(self) -> None:
        await self._server.start_tls(self._context, self._host)


def _unreachable(error: Exception) -> Unreachable:
    """The exception for a handshake with an RDP server that failed."""
    match error:
        case rdp.NegotiationError():
            return _TLSRefused(
                f'The RDP server refuses: {error}.', error.confirm
            )
        case rdp.RDPError():
            return Unreachable(f'The RDP server is not usable: {error}.')
        case ssl.SSLCertVerificationError():
            return Unreachable(
                "The RDP server's certificate is not trusted by this proxy."
            )
        case ssl.SSLError():
            return Unreachable('TLS with the RDP server failed.')
        case _:
            return Unreachable('The RDP server does not answer.')
