# SPDX-License-Identifier: Apache-2.0

"""A browser with noVNC, as far as the console proxy sees it."""

from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync import client

from console_svc.compute.libvirt.vnc import Connection
from console_svc.protocols import rfb
from console_svc.tests.programs import process


class Browser(Connection):
    """RFB over a websocket, as noVNC speaks it."""

    def __init__(self, url: str, password: str = '') -> None:
        self.connection = client.connect(
            url,
            subprotocols=['binary'],
            open_timeout=process.PATIENCE,
            close_timeout=1,
        )
        self._rest = b''
        super().__init__(self, password)

    def recv(self, number: int) -> bytes:
        while not self._rest:
            try:
                self._rest = self.connection.recv(process.PATIENCE)
            except ConnectionClosed:
                return b''
        data, self._rest = self._rest[:number], self._rest[number:]
        return data

    def sendall(self, data: bytes) -> None:
        self.connection.send(data)

    def desktop(self) -> tuple[int, int]:
        """Send ClientInit; the size of the screen in ServerInit."""
        self.sendall(b'\x01')

        def read() -> Any:
            return (yield rfb.Read(4))

        data = self.perform(read())
        return int.from_bytes(data[:2], 'big'), int.from_bytes(data[2:], 'big')
