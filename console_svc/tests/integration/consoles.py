# SPDX-License-Identifier: Apache-2.0

"""Consoles that do what a test wants: TCP servers of a few lines."""

import contextlib
import socket
import threading
from collections.abc import Callable

import fixtures


class TCPConsole(fixtures.Fixture):
    """Listens on 127.0.0.1, a thread a connection.

    :param serve: is called with each connection
    """

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve

    def _setUp(self) -> None:
        self._listener = socket.create_server(('127.0.0.1', 0))
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
    """What comes, goes back."""
    while data := connection.recv(65536):
        connection.sendall(data)


def hang(connection: socket.socket) -> None:
    """Takes everything, and says nothing."""
    while connection.recv(65536):
        pass


def heard(connection: socket.socket, end: bytes) -> bytes:
    """What comes, up to an end."""
    data = b''
    while not data.endswith(end):
        more = connection.recv(1)
        if not more:
            break
        data += more
    return data
