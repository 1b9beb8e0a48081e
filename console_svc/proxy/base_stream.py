# SPDX-License-Identifier: Apache-2.0

"""What the connections of a session have in common.

During the handshakes, coroutines read and write them. Then a relay takes them
over: see :mod:`console_svc.proxy.relaying`. Neither reads on while the other
end is slow, so data does not pile up in memory.
"""

import asyncio
import contextlib
from typing import Final, cast

from console_svc.proxy.errors import PeerClosed
from console_svc.proxy.relaying import DISCARDED, Receiver

#: Bytes that nothing has read, from which on no more are received.
READ_AHEAD: Final = 65536


class BaseStream(asyncio.Protocol):
    """A connection that one coroutine reads, until a relay takes it over."""

    __slots__ = (
        '_at_end',
        '_error',
        '_is_full',
        '_is_held',
        '_is_lost',
        '_readable',
        '_receiver',
        '_rest',
        '_transport',
        '_writable',
    )

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        # What was received, and no read has returned.
        self._rest = b''
        self._receiver: Receiver | None = None
        # Whether no more is received, and the exception that is the reason.
        self._at_end = False
        self._error: Exception | None = None
        self._is_lost = False
        # Whether the send buffer is full.
        self._is_full = False
        # Whether the transport does not read.
        self._is_held = False
        # Are done when a coroutine that waits should look again.
        self._readable: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._hand_over(data)

    def eof_received(self) -> bool:
        self._end(None)
        # TLS cannot close one direction alone.
        return self._transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        self._end(exc)
        # It would be a part of a reference cycle.
        self._receiver = DISCARDED
        _wake(self._readable)
        _wake(self._writable)

    def pause_writing(self) -> None:
        self._is_full = True
        if self._receiver is not None:
            self._receiver.pause()

    def resume_writing(self) -> None:
        self._is_full = False
        _wake(self._writable)
        if self._receiver is not None:
            self._receiver.resume()

    def relay_to(self, receiver: Receiver) -> None:
        self._receiver = receiver
        if self._is_full:
            receiver.pause()
        rest, self._rest = self._rest, b''
        self.resume_reading()
        if rest:
            self._hand_over(rest)
        if self._at_end:
            receiver.closed(self._error)

    def discard(self) -> None:
        self.relay_to(DISCARDED)

    def pause_reading(self) -> None:
        if not self._is_held:
            self._is_held = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._is_held:
            self._is_held = False
            # RuntimeError: uvloop's exception for a closed transport.
            with contextlib.suppress(RuntimeError):
                self._transport.resume_reading()

    async def read(self) -> bytes:
        while not self._rest:
            if self._at_end:
                if self._error is not None:
                    raise self._error
                return b''
            await self._more()
        data, self._rest = self._rest, b''
        return data

    async def read_exactly(self, number: int) -> bytes:
        while len(self._rest) < number:
            if self._at_end:
                raise self._error or PeerClosed
            await self._more()
        data, self._rest = self._rest[:number], self._rest[number:]
        return data

    def abort(self) -> None:
        """Close at once, and discard what was not sent."""
        self._transport.abort()

    def _hand_over(self, data: bytes) -> None:
        """Let the relay, or else the next read, have bytes."""
        if self._receiver is None:
            self._rest += data
            if len(self._rest) > READ_AHEAD:
                self.pause_reading()
            _wake(self._readable)
            return
        try:
            self._receiver.received(data)
        except Exception as error:
            self._end(error)

    def _end(self, error: Exception | None) -> None:
        """Receive no more."""
        if self._at_end:
            return
        self._at_end = True
        self._error = error
        _wake(self._readable)
        if self._receiver is not None:
            self._receiver.closed(error)

    async def _more(self) -> None:
        """Wait until more is received, or no more is."""
        self.resume_reading()
        self._readable = asyncio.get_running_loop().create_future()
        await self._readable

    async def _drained(self) -> None:
        """Wait until the send buffer has room.

        :raises OSError: the connection is lost
        """
        while self._is_full and not self._is_lost:
            self._writable = asyncio.get_running_loop().create_future()
            await self._writable
        if self._is_lost:
            raise ConnectionResetError('the connection is closed')


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
