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
from collections.abc import AsyncIterator, Iterator
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


class MKSServer:
    """The bytes in the frames of an ESXi host's websocket.

    :param connection: inside TLS
    :param url: of the websocket
    """

    def __init__(self, connection: TCPStream, url: str) -> None:
        self._connection = connection
        self._protocol = ClientProtocol(
            parse_uri(url),
            subprotocols=[Subprotocol('binary')],
            max_size=_LONGEST_MESSAGE,
            logger=_LIBRARY,
        )
        self._received: list[bytes] = []

    async def open(self) -> None:
        """Perform the websocket's handshake.

        :raises websockets.exceptions.InvalidHandshake: the host refuses
        :raises console_svc.proxy.errors.PeerClosed: it closes the connection
        """
        self._protocol.send_request(self._protocol.connect())
        await self._flush()
        while self._protocol.state is State.CONNECTING:
            if not await self._receive():
                raise PeerClosed
            if self._protocol.handshake_exc is not None:
                raise self._protocol.handshake_exc

    async def read(self) -> bytes:
        while not self._received:
            # Not open: the host has sent a close frame, or a wrong one.
            if (
                self._protocol.state is not State.OPEN
                or not await self._receive()
            ):
                return b''
        data = b''.join(self._received)
        self._received.clear()
        return data

    async def write(self, data: bytes) -> None:
        if self._protocol.state is not State.OPEN:
            raise ConnectionResetError('the connection is closed')
        self._protocol.send_binary(data)
        await self._flush()

    async def finish(self) -> None:
        """Send what was written and a close frame."""
        with contextlib.suppress(OSError):
            if self._protocol.state is State.OPEN:
                self._protocol.send_close(1000)
                await self._flush()
        await self._connection.finish()

    async def _receive(self) -> bool:
        """Parse what the host sends, and answer pings.

        :returns: False: it has closed the websocket
        """
        data = await self._connection.read()
        if not data:
            return False
        self._protocol.receive_data(data)
        await self._flush()
        self._received += self._frames()
        return True

    def _frames(self) -> Iterator[bytes]:
        for event in self._protocol.events_received():
            if (
                isinstance(event, Frame)
                and event.opcode in _DATA
                # An empty frame can end a message, but not the stream.
                and event.data
            ):
                yield bytes(event.data)

    async def _flush(self) -> None:
        await self._connection.write(b''.join(self._protocol.data_to_send()))


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
