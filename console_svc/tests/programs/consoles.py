# SPDX-License-Identifier: Apache-2.0

"""Consoles that tests define: TCP servers of a few lines."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

import fixtures

from console_svc.compute.libvirt.vnc import Connection
from console_svc.protocols import rfb

#: Width and height of the screen of :func:`vnc`.
SCREEN = (640, 480)

# A pixel format of 16 bytes that no test looks at, and a name.
_SERVER_INIT = struct.pack('>HH16xI', *SCREEN, 4) + b'stub'


class TCPConsole(fixtures.Fixture):
    """A TCP server on 127.0.0.1 with a thread per connection.

    :param serve: called with each connection
    :param buffer: bytes of its receive buffer; None: the kernel's default
    """

    def __init__(
        self,
        serve: Callable[[socket.socket], None],
        buffer: int | None = None,
    ) -> None:
        self._serve = serve
        self._buffer = buffer

    def _setUp(self) -> None:
        self._listener = socket.create_server(('127.0.0.1', 0))
        if self._buffer is not None:
            # Accepted sockets inherit it.
            self._listener.setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer
            )
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self.addCleanup(self._close)
        threading.Thread(target=self._accept, daemon=True).start()

    def _close(self) -> None:
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threading.Thread(
                    target=self._run, args=(connection,), daemon=True
                ).start()

    def _run(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self._serve(connection)


def echo(connection: socket.socket) -> None:
    """Send back what is received."""
    while data := connection.recv(65536):
        connection.sendall(data)


def vnc(connection: socket.socket) -> None:
    """A VNC server without authentication; after ServerInit an echo."""
    with contextlib.suppress(rfb.RFBError):
        accept(connection)
        screen(connection)


def accept(connection: socket.socket) -> None:
    """The handshake of a VNC server without authentication.

    :raises console_svc.protocols.rfb.RFBError: the client fails
    """
    line = Connection(connection)
    minor = line.perform(rfb.offer(rfb.NONE))
    line.perform(rfb.welcome(minor, rfb.NONE))


def screen(connection: socket.socket) -> None:
    """What a VNC server does after the log-in: ServerInit, then an echo."""
    if connection.recv(1):
        connection.sendall(_SERVER_INIT)
        echo(connection)


def hang(connection: socket.socket) -> None:
    """Read everything and send nothing."""
    while connection.recv(65536):
        pass


def heard(connection: socket.socket, end: bytes) -> bytes:
    """What is received up to and including ``end``."""
    data = b''
    while not data.endswith(end):
        more = connection.recv(1)
        if not more:
            break
        data += more
    return data
