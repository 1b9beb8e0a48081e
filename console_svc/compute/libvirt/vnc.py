# SPDX-License-Identifier: Apache-2.0

"""A blocking RFB client for the VNC server of a domain."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any, TypeVar

from console_svc.protocols import rfb

_T = TypeVar('_T')

#: The security types that :class:`Connection` supports.
SECURITY_TYPES = (rfb.NONE, rfb.VNC, rfb.VENCRYPT)


class Connection:
    """A connection to a VNC server.

    :param stream: the socket; its time-out applies to each step
    :param password: for VNC authentication
    """

    def __init__(self, stream: socket.socket, password: str = '') -> None:
        self._stream = stream
        self._password = password

    def perform(self, handshake: rfb.Handshake[_T]) -> _T:
        """Perform a handshake and return its result.

        :raises console_svc.protocols.rfb.RFBError: the handshake fails
        :raises OSError: the connection fails
        """
        # A generator must be started with None.
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
                    self._stream = _tls_context().wrap_socket(self._stream)

    def _read(self, number: int) -> bytes:
        data = b''
        while len(data) < number:
            more = self._stream.recv(number - len(data))
            if not more:
                raise rfb.RFBError('the server has closed the connection')
            data += more
        return data


@contextlib.contextmanager
def connect(
    host: str, port: int, timeout: float, password: str = ''
) -> Iterator[Connection]:
    """Connect to a VNC server.

    :param timeout: seconds for each step
    :param password: for VNC authentication
    :raises console_svc.protocols.rfb.RFBError: the server refuses the
        connection or does not answer
    """
    try:
        with socket.create_connection((host, port), timeout) as stream:
            yield Connection(stream, password)
    except OSError as error:
        raise rfb.RFBError(f'{host} port {port}: {error}') from error


def _tls_context() -> ssl.SSLContext:
    """Return a context that does not verify the server's certificate.

    The only secret that is sent is a response to a challenge, for a password
    that is replaced right afterwards.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
