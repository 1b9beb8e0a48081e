# SPDX-License-Identifier: Apache-2.0

"""A visit to a domain's VNC server."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any, TypeVar

from console_svc.protocols import rfb

_T = TypeVar('_T')

#: To whatever the server asks for there is an answer.
ANYTHING = (rfb.NONE, rfb.VNC, rfb.VENCRYPT)


class Line:
    """A connection to a VNC server.

    :param stream: its time-out is that of each step
    :param password: for VNC authentication
    """

    def __init__(self, stream: socket.socket, password: str = '') -> None:
        self._stream = stream
        self._password = password

    def perform(self, handshake: rfb.Handshake[_T]) -> _T:
        """Go through a handshake; what it returns.

        :raises console_svc.protocols.rfb.RFBError: it fails
        :raises OSError: the connection does
        """
        # A generator begins with None.
        outcome: Any = None
        while True:
            try:
                step = handshake.send(outcome)
            except StopIteration as end:
                result: _T = end.value
                return result
            outcome = None
            match step:
                case rfb.Read(number):
                    outcome = self._read(number)
                case rfb.Write(data):
                    self._stream.sendall(data)
                case rfb.Respond(challenge):
                    outcome = rfb.response(challenge, self._password)
                case rfb.StartTLS():
                    self._stream = _unverified().wrap_socket(self._stream)

    def _read(self, number: int) -> bytes:
        data = b''
        while len(data) < number:
            more = self._stream.recv(number - len(data))
            if not more:
                raise rfb.RFBError('the server has hung up')
            data += more
        return data


@contextlib.contextmanager
def connected(
    host: str, port: int, timeout: float, password: str = ''
) -> Iterator[Line]:
    """A connection to a VNC server.

    :param timeout: seconds for each step
    :raises console_svc.protocols.rfb.RFBError: nobody listens
        there, or says nothing
    """
    try:
        with socket.create_connection((host, port), timeout) as stream:
            yield Line(stream, password)
    except OSError as error:
        raise rfb.RFBError(f'{host} port {port}: {error}') from error


def _unverified() -> ssl.SSLContext:
    """Whoever is visited gets to know no secret that is good for long."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
