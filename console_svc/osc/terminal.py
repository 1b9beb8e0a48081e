# SPDX-License-Identifier: Apache-2.0

"""The user's terminal, connected to a serial console."""

import asyncio
import contextlib
import os
import signal
import termios
import tty
from collections.abc import Iterator
from typing import Final

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

_BYTES: Final = 4096

# They end the connection, so that the terminal is restored.
_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)

_TILDE: Final = ord('~')
_DOT: Final = ord('.')
_LINE_BREAKS: Final = b'\r\n'


class Escape:
    """Finds ``~.`` at the beginning of a line, as ssh does."""

    def __init__(self) -> None:
        self._is_at_start = True
        self._has_tilde = False
        #: Whether the user wants to disconnect.
        self.is_found = False

    def feed(self, typed: bytes) -> bytes:
        """What to send of the next bytes that were typed.

        ``~~`` at the beginning of a line sends one tilde.
        """
        sent = bytearray()
        for byte in typed:
            if self._has_tilde:
                self._has_tilde = False
                if byte == _DOT:
                    self.is_found = True
                    break
                if byte != _TILDE:
                    sent.append(_TILDE)
            elif self._is_at_start and byte == _TILDE:
                self._has_tilde = True
                continue
            sent.append(byte)
            self._is_at_start = byte in _LINE_BREAKS
        return bytes(sent)


@contextlib.contextmanager
def raw(descriptor: int) -> Iterator[None]:
    """Put a terminal into raw mode: all keys are sent, and none is echoed."""
    before = termios.tcgetattr(descriptor)
    # What was typed before is not lost.
    tty.setraw(descriptor, termios.TCSADRAIN)
    try:
        yield
    finally:
        # The terminal may be gone.
        with contextlib.suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


async def relay(websocket: ClientConnection, source: int, target: int) -> None:
    """Relay bytes until the user disconnects or the websocket is closed.

    :param source: file descriptor of what the user types
    :param target: file descriptor of the screen
    """
    loop = asyncio.get_running_loop()
    typed: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> None:
        try:
            data = os.read(source, _BYTES)
        except OSError:
            # The terminal is gone.
            data = b''
        if not data:
            loop.remove_reader(source)
        typed.put_nowait(data)

    loop.add_reader(source, read)
    for number in _SIGNALS:
        loop.add_signal_handler(number, typed.put_nowait, b'')
    tasks = [
        asyncio.create_task(_send(typed, websocket)),
        asyncio.create_task(_show(websocket, target)),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
        loop.remove_reader(source)
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


async def _send(
    typed: asyncio.Queue[bytes], websocket: ClientConnection
) -> None:
    escape = Escape()
    with contextlib.suppress(ConnectionClosed):
        while data := await typed.get():
            if sent := escape.feed(data):
                await websocket.send(sent)
            if escape.is_found:
                break


async def _show(websocket: ClientConnection, target: int) -> None:
    # OSError: the terminal is gone.
    with contextlib.suppress(ConnectionClosed, OSError):
        async for message in websocket:
            data = message if isinstance(message, bytes) else message.encode()
            while data:
                data = data[os.write(target, data) :]
