# SPDX-License-Identifier: Apache-2.0

"""A browser's websocket as a stream of bytes (RFC 6455)."""

import asyncio
import contextlib
import secrets
from typing import Final

from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from console_svc.proxy.base_stream import BaseStream
from console_svc.proxy.errors import Ended
from console_svc.proxy.tcp_info import TCPInfo

# Bytes in the send buffer from which on the console is not read.
_WRITE_LIMIT: Final = 32 * 1024

# Most frames of a message.
_MAX_FRAGMENTS: Final = 4096

# Seconds to close, with the data that the browser must read first, and then
# for the browser to answer the close frame.
_FLUSH_TIMEOUT: Final = 20
_CLOSE_TIMEOUT: Final = 5


class WebSocketStream(BaseStream):
    """The bytes in the binary frames of a websocket.

    :param protocol: after the handshake
    """

    __slots__ = ('_fragments', '_protocol', 'awaits_pong')

    def __init__(self, protocol: ServerProtocol) -> None:
        super().__init__()
        self._protocol = protocol
        # The number of frames of a message that has not ended.
        self._fragments = 0
        #: Whether the last ping has no answer yet.
        self.awaits_pong = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._transport.set_write_buffer_limits(_WRITE_LIMIT)

    def data_received(self, data: bytes) -> None:
        try:
            self._protocol.receive_data(data)
            self._flush()
            for frame in self._protocol.events_received():
                if isinstance(frame, Frame):
                    self._process(frame)
            if not self.is_open:
                self._end(self._violation())
        except Exception as error:
            self._end(error)

    def eof_received(self) -> bool:
        self._protocol.receive_eof()
        self._flush()
        self._end(None)
        # There is nothing to say behind a close frame.
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.receive_eof()
        super().connection_lost(exc)

    @property
    def is_open(self) -> bool:
        """Whether no end has closed the websocket."""
        return self._protocol.state is State.OPEN

    def progress(self) -> tuple[TCPInfo, bool]:
        """The progress of the connection, and whether it is not read.

        :raises OSError: it is closed
        """
        return TCPInfo.of(self._transport), self._is_held

    def ping(self) -> None:
        """Send a ping."""
        if self.is_open:
            self.awaits_pong = True
            self._protocol.send_ping(secrets.token_bytes(4))
            self._flush()

    async def write(self, data: bytes) -> None:
        if not self.is_open:
            raise self._error or ConnectionResetError('it is closed')
        self.send(data)
        await self._drained()

    def send(self, data: bytes) -> None:
        if self.is_open:
            self._protocol.send_binary(data)
            self._flush()

    def send_text(self, text: str) -> None:
        """Send a text, without waiting."""
        if self.is_open:
            self._protocol.send_text(text.encode())
            self._flush()

    async def close(self, code: CloseCode, reason: str) -> None:
        """Close the websocket, or abort it if the browser does not read.

        :param reason: at most 123 bytes
        """
        self.discard()
        if self.is_open:
            self._protocol.send_close(code, reason)
            self._flush()
        try:
            async with asyncio.timeout(_FLUSH_TIMEOUT):
                await self._drained()
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                while not self._is_lost:
                    await self._more()
        except OSError:
            # Closed, or timed out.
            pass
        finally:
            if not self._is_lost:
                self.abort()

    def _process(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PONG:
            self.awaits_pong = False
        elif frame.opcode is Opcode.TEXT:
            raise _text(frame)
        elif frame.opcode in (Opcode.BINARY, Opcode.CONT):
            self._fragments = 0 if frame.fin else self._fragments + 1
            if self._fragments > _MAX_FRAGMENTS:
                raise _violation(
                    CloseCode.MESSAGE_TOO_BIG, 'too many fragments'
                )
            if frame.data:
                self._hand_over(bytes(frame.data))

    def _violation(self) -> Ended | None:
        """Why the library closed the websocket; None: the browser did."""
        sent = self._protocol.close_sent
        if sent is None or self._protocol.close_rcvd_then_sent:
            return None
        return _violation(CloseCode(sent.code), sent.reason or str(sent.code))

    def _flush(self) -> None:
        """Send what the protocol has to send."""
        for data in self._protocol.data_to_send():
            # RuntimeError: uvloop's exception for a closed transport.
            with contextlib.suppress(RuntimeError):
                if data:
                    self._transport.write(data)
                elif self._transport.can_write_eof():
                    self._transport.write_eof()
                else:
                    # TLS cannot close one direction alone.
                    self._transport.close()


def _text(frame: Frame) -> Ended:
    try:
        bytes(frame.data).decode()
    except UnicodeDecodeError as error:
        return _violation(CloseCode.INVALID_DATA, str(error.reason))
    return Ended(
        CloseCode.UNSUPPORTED_DATA, 'Consoles use binary frames, not text.'
    )


def _violation(code: CloseCode, what: str) -> Ended:
    return Ended(code, f'The browser violated the websocket protocol: {what}.')
