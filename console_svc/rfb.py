# SPDX-License-Identifier: Apache-2.0

"""RFB's handshakes, as a client of a hypervisor's VNC server (RFC 6143)."""

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterator
from typing import Final

from cryptography.hazmat.decrepit.ciphers import algorithms
from cryptography.hazmat.primitives.ciphers import Cipher, modes

_VERSION: Final = b'RFB 003.008\n'

#: Security types (RFC 6143, section 7.1.2; VeNCrypt: the RFB community's
#: specification).
NONE: Final = 1
VNC: Final = 2
VENCRYPT: Final = 19

#: VeNCrypt's subtype: X.509 certificates, then VNC authentication.
X509_VNC: Final = 261


class RFBError(Exception):
    """The server says something else than RFB, or refuses."""


@contextlib.contextmanager
def connected(host: str, port: int, timeout: float) -> Iterator[socket.socket]:
    """A connection to a VNC server.

    :param timeout: seconds for each step
    :raises RFBError: nobody listens there, or says nothing
    """
    try:
        with socket.create_connection((host, port), timeout) as stream:
            yield stream
    except OSError as error:
        raise RFBError(f'{host} port {port}: {error}') from error


def security_types(stream: socket.socket) -> frozenset[int]:
    """What the server offers, after the versions are exchanged.

    :raises RFBError: it speaks another protocol, or refuses
    """
    version = _read(stream, len(_VERSION))
    if not version.startswith(b'RFB 003.'):
        raise RFBError('not an RFB server')
    stream.sendall(_VERSION)
    (number,) = _read(stream, 1)
    if not number:
        raise RFBError(_reason(stream))
    return frozenset(_read(stream, number))


def vencrypt_subtypes(stream: socket.socket) -> frozenset[int]:
    """What the server offers below VeNCrypt, which this chooses."""
    stream.sendall(bytes([VENCRYPT]))
    _read(stream, 2)
    stream.sendall(b'\x00\x02')
    if _read(stream, 1) != b'\x00':
        raise RFBError('another version of VeNCrypt')
    (number,) = _read(stream, 1)
    return frozenset(struct.unpack(f'>{number}I', _read(stream, 4 * number)))


def is_protected(host: str, port: int, timeout: float) -> bool:
    """Whether the server lets nobody in without a password.

    :param timeout: seconds for each step
    :raises RFBError: it can't be found out
    """
    with connected(host, port, timeout) as stream:
        types = security_types(stream)
        if types == {VENCRYPT}:
            return vencrypt_subtypes(stream) == {X509_VNC}
        return types == {VNC}


def log_in(stream: socket.socket, password: str) -> socket.socket:
    """Go through whatever the server asks for.

    :returns: the stream to go on with: TLS, where the server wants it. The
        certificate is not verified: who is asked has no secret to lose
    :raises RFBError: the password is wrong, or the server asks for more
    """
    types = security_types(stream)
    if NONE in types:
        choose_none(stream)
    elif VNC in types:
        authenticate(stream, password)
    elif VENCRYPT in types and X509_VNC in vencrypt_subtypes(stream):
        stream.sendall(struct.pack('>I', X509_VNC))
        if _read(stream, 1) != b'\x01':
            raise RFBError('the server refuses TLS')
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        stream = context.wrap_socket(stream)
        _answer(stream, password)
    else:
        raise RFBError(f'security types {sorted(types)}')
    return stream


def authenticate(stream: socket.socket, password: str) -> None:
    """Log in with VNC authentication, once it is offered.

    :raises RFBError: the password is wrong
    """
    stream.sendall(bytes([VNC]))
    _answer(stream, password)


def be_alone(stream: socket.socket) -> None:
    """Have the server end all other connections: ClientInit, not shared."""
    stream.sendall(b'\x00')
    # ServerInit is sent when that is done.
    _read(stream, 24)


def response(challenge: bytes, password: str) -> bytes:
    """What answers a challenge of VNC authentication (section 7.2.2)."""
    key = bytes(
        int(f'{byte:08b}'[::-1], 2)
        for byte in password.encode('latin-1')[:8].ljust(8, b'\0')
    )
    # DES, as three times the same key makes of it.
    cipher = Cipher(algorithms.TripleDES(key * 3), modes.ECB())  # noqa: S305
    encryptor = cipher.encryptor()
    return encryptor.update(challenge) + encryptor.finalize()


def choose_none(stream: socket.socket) -> None:
    """Go on without authentication, where that is offered."""
    stream.sendall(bytes([NONE]))
    _result(stream)


def _answer(stream: socket.socket, password: str) -> None:
    """VNC authentication, once it is chosen."""
    stream.sendall(response(_read(stream, 16), password))
    _result(stream)


def _result(stream: socket.socket) -> None:
    if _read(stream, 4) != b'\0\0\0\0':
        raise RFBError(_reason(stream))


def _reason(stream: socket.socket) -> str:
    (length,) = struct.unpack('>I', _read(stream, 4))
    return _read(stream, min(length, 1000)).decode(errors='replace')


def _read(stream: socket.socket, number: int) -> bytes:
    data = b''
    while len(data) < number:
        more = stream.recv(number - len(data))
        if not more:
            raise RFBError('the server has hung up')
        data += more
    return data
