# SPDX-License-Identifier: Apache-2.0

"""A VNC server that shows a recording, up to a moment of it."""

import contextlib
import socket

from console_svc.tests.programs import consoles, fbs


class Replay(consoles.TCPConsole):
    """Sends what is in an FBS file to any VNC client.

    :param file: its content
    :param until: milliseconds from the start of the recording
    """

    def __init__(self, file: bytes, until: float) -> None:
        super().__init__(self._serve_file)
        first, *rest = fbs.blocks(file)
        self._handshake = first[1]
        self._sent = b''.join(data for time, data in rest if time <= until)

    def _serve_file(self, connection: socket.socket) -> None:
        version = len(b'RFB 003.003\n')
        connection.sendall(self._handshake[:version])
        consoles.heard(connection, b'\n')
        # The security type, after which the client sends ClientInit.
        connection.sendall(self._handshake[version:])
        if connection.recv(1):
            connection.sendall(self._sent)
            with contextlib.suppress(OSError):
                consoles.hang(connection)
