# SPDX-License-Identifier: Apache-2.0

"""Connections of browsers to ESXi hosts, by WebMKS.

An ESXi host has a websocket inside TLS, whose path has a ticket. It is written
from VMware's documentation of the HTML Console SDK, and was never tried on an
ESXi host.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import re
import ssl
from collections.abc import AsyncIterator
from typing import Final
from urllib import parse

from oslo_config import cfg
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from console_svc.proxy import hypervisors
from console_svc.proxy.api_answers import OpenedSession
from console_svc.proxy.errors import PeerClosed, Unreachable
from console_svc.proxy.relaying import Receiver, Through
from console_svc.proxy.streams import TCPStream

LOG = logging.getLogger(__name__)

# websockets logs requests, with the ticket, and frames; this silences it.
_LIBRARY: Final = logging.getLogger(f'{__name__}.library')
_LIBRARY.setLevel(logging.CRITICAL)

# Most bytes of one message of the host.
_LONGEST_MESSAGE: Final = 4 * 2**20

_DATA: Final = (Opcode.BINARY, Opcode.TEXT, Opcode.CONT)

# Digits of a thumbprint -> its hash.
_HASHES: Final = {40: 'sha1', 64: 'sha256'}


class MKSServers:
    """Connects browsers to ESXi hosts."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._timeout: int = conf.proxy.handshake_timeout

    @contextlib.asynccontextmanager
    async def connected(
        self, session: OpenedSession
    ) -> AsyncIterator['MKSServer']:
        """A websocket to a session's console, closed with the context.

        :raises console_svc.proxy.errors.Unreachable: the host does not answer,
            is not trusted, or refuses the ticket
        """
        access = _access(session)
        connection = await hypervisors.connect(session, self._timeout)
        try:
            server = await self._opened(connection, session, *access)
            yield server
        finally:
            connection.abort()

    async def _opened(
        self,
        connection: TCPStream,
        session: OpenedSession,
        ticket: str,
        thumbprint: str | None,
    ) -> 'MKSServer':
        """The websocket on a new connection."""
        try:
            async with asyncio.timeout(self._timeout):
                await _start_tls(connection, session.host, thumbprint)
                server = MKSServer(connection, _url(session, ticket))
                await server.open()
                return server
        except (OSError, PeerClosed, InvalidHandshake, TimeoutError) as error:
            LOG.warning(
                'The ESXi host at %s port %d is not usable: %s',
                session.host,
                session.port,
                # Other exceptions can have the request, with its ticket.
                type(error).__name__
                if isinstance(error, InvalidHandshake)
                else str(error) or 'timed out',
            )
            raise Unreachable('The ESXi host is not usable.') from None


class MKSServer(Through):
    """The bytes in the frames of an ESXi host's websocket.

    :param connection: inside TLS
    :param url: of the websocket
    """

    def __init__(self, connection: TCPStream, url: str) -> None:
        super().__init__(connection)
        self._stream = connection
        self._protocol = ClientProtocol(
            parse_uri(url),
            subprotocols=[Subprotocol('binary')],
            max_size=_LONGEST_MESSAGE,
            logger=_LIBRARY,
        )

    async def open(self) -> None:
        """Perform the websocket's handshake.

        :raises websockets.exceptions.InvalidHandshake: the host refuses
        :raises console_svc.proxy.errors.PeerClosed: it closes the connection
        """
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        while self._protocol.state is State.CONNECTING:
            data = await self._stream.read()
            if not data:
                raise PeerClosed
            self._protocol.receive_data(data)
            self._flush()
            if self._protocol.handshake_exc is not None:
                raise self._protocol.handshake_exc

    def relay_to(self, receiver: Receiver) -> None:
        self._receiver = receiver
        # Frames may have come with the end of the handshake.
        self._hand_over()
        super().relay_to(receiver)

    def received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        self._flush()
        self._hand_over()

    def send(self, data: bytes) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_binary(data)
            self._flush()

    async def finish(self) -> None:
        """Send what was written and a close frame."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
            self._flush()
        await super().finish()

    def _hand_over(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and event.opcode in _DATA:
                self._receiver.received(bytes(event.data))
        # Not open: the host has sent a close frame, or a wrong one.
        if self._protocol.state is not State.OPEN:
            self._receiver.closed(None)

    def _flush(self) -> None:
        """Send what the protocol has to send, such as answers to pings."""
        self._connection.send(b''.join(self._protocol.data_to_send()))


def _access(session: OpenedSession) -> tuple[str, str | None]:
    """The ticket, and the certificate's thumbprint, of an access path.

    It is the ticket, or JSON with it, as nova's VMware driver has.
    """
    path = session.internal_access_path or ''
    document: object = None
    with contextlib.suppress(ValueError):
        document = json.loads(path)
    if not isinstance(document, dict):
        document = {'ticket': path}
    ticket, thumbprint = document.get('ticket'), document.get('thumbprint')
    if not isinstance(ticket, str) or not ticket:
        raise Unreachable('The access path of this console is invalid.')
    if thumbprint is None:
        return ticket, None
    digits = str(thumbprint).replace(':', '').lower()
    if len(digits) not in _HASHES or not re.fullmatch('[0-9a-f]+', digits):
        raise Unreachable('The access path of this console is invalid.')
    return ticket, digits


def _url(session: OpenedSession, ticket: str) -> str:
    host = f'[{session.host}]' if ':' in session.host else session.host
    return f'wss://{host}:{session.port}/ticket/{parse.quote(ticket, safe="")}'


async def _start_tls(
    connection: TCPStream, host: str, thumbprint: str | None
) -> None:
    """Start TLS.

    :param thumbprint: of the host's certificate, in hexadecimal; None: an
        authority of the operating system must have issued it
    :raises ssl.SSLError: the host is not trusted
    """
    context = ssl.create_default_context()
    if thumbprint is not None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    await connection.start_tls(context, host)
    if thumbprint is not None:
        found = hashlib.new(
            _HASHES[len(thumbprint)], connection.peer_certificates()[0]
        ).hexdigest()
        if not hmac.compare_digest(found, thumbprint):
            raise ssl.SSLError('the certificate has another thumbprint')
