# SPDX-License-Identifier: Apache-2.0

"""A TCP relay that delays or withholds answers, or leads elsewhere."""

import contextlib
import selectors
import socket
import threading
import time

import fixtures


class Relay(fixtures.Fixture):
    """Relays connections to a port of 127.0.0.1.

    :param target: the port
    """

    def __init__(self, target: int) -> None:
        #: Where new connections lead.
        self.target = target
        #: The number of connections that were accepted.
        self.accepted = 0
        #: Seconds by which each part of an answer is delayed.
        self.delay = 0.0
        self._answering = threading.Event()
        self._answering.set()

    def _setUp(self) -> None:
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self.addCleanup(self._close)
        threading.Thread(target=self._accept, daemon=True).start()

    @contextlib.contextmanager
    def hanging(self):
        """Accept connections, but pass on no answers."""
        self._answering.clear()
        try:
            yield
        finally:
            self._answering.set()

    def _close(self) -> None:
        self._answering.set()
        for open_ in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                open_.shutdown(socket.SHUT_RDWR)
            open_.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.accepted += 1
                threading.Thread(
                    target=self._relay, args=(client,), daemon=True
                ).start()

    def _relay(self, client: socket.socket) -> None:
        with (
            client,
            contextlib.suppress(OSError),
            socket.create_connection(('127.0.0.1', self.target)) as server,
            selectors.DefaultSelector() as selector,
        ):
            self._sockets += [client, server]
            other = {client: server, server: client}
            for end in other:
                selector.register(end, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    data = key.fileobj.recv(65536)
                    if not data:
                        return
                    if key.fileobj is server:
                        time.sleep(self.delay)
                        self._answering.wait()
                    other[key.fileobj].sendall(data)
