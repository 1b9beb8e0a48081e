# SPDX-License-Identifier: Apache-2.0

"""The client's side of RFB, towards a hypervisor's VNC server."""

import struct
from collections.abc import Sequence

from console_svc.protocols.rfb.wire import (
    CHALLENGE,
    NEWEST,
    NONE,
    VENCRYPT,
    VERSION,
    VNC,
    X509_NONE,
    X509_VNC,
    Handshake,
    Respond,
    RFBError,
    read_number,
    read_reason,
    read_version,
)
from console_svc.protocols.steps import Read, StartTLS, Write


def security_types() -> Handshake[tuple[int, frozenset[int]]]:
    """Exchange versions, and read the server's security types.

    :returns: the minor version, and the security types
    :raises RFBError: the server speaks another protocol, or refuses
    """
    minor = yield from read_version('server')
    yield Write(VERSION % minor)
    if minor == 3:
        chosen = yield from read_number()
        if chosen == 0:
            raise RFBError((yield from read_reason()))
        return minor, frozenset([chosen])
    (number,) = yield Read(1)
    if not number:
        raise RFBError((yield from read_reason()))
    return minor, frozenset((yield Read(number)))


def vencrypt_subtypes() -> Handshake[frozenset[int]]:
    """Choose VeNCrypt, and read the server's subtypes.

    :raises RFBError: the server speaks another version of VeNCrypt
    """
    yield Write(bytes([VENCRYPT]))
    yield Read(2)
    yield Write(b'\x00\x02')
    if (yield Read(1)) != b'\x00':
        raise RFBError('it speaks another version of VeNCrypt')
    (number,) = yield Read(1)
    return frozenset(struct.unpack(f'>{number}I', (yield Read(4 * number))))


def is_protected() -> Handshake[bool]:
    """Whether the server requires a password of every client.

    :raises RFBError: the server speaks another protocol, or refuses
    """
    _, types = yield from security_types()
    if types == {VENCRYPT}:
        return (yield from vencrypt_subtypes()) == {X509_VNC}
    return types == {VNC}


def log_in(accepted: Sequence[int]) -> Handshake[None]:
    """Authenticate with the best security type that the server offers.

    :param accepted: security types, the best first
    :raises RFBError: the server offers none of these, or refuses
    """
    minor, types = yield from security_types()
    chosen = next((it for it in accepted if it in types), None)
    if chosen is None:
        raise RFBError(f'it offers security types {sorted(types)} alone')
    if chosen == VENCRYPT:
        chosen = yield from _start_tls()
    elif minor > 3:
        yield Write(bytes([chosen]))
    if chosen == VNC:
        challenge = yield Read(CHALLENGE)
        yield Write((yield Respond(challenge)))
    elif minor < NEWEST:
        return
    yield from result(minor)


def result(minor: int) -> Handshake[None]:
    """Read the SecurityResult (RFC 6143, section 7.1.3).

    :raises RFBError: the server refuses
    """
    if (yield from read_number()) != 0:
        raise RFBError(
            (yield from read_reason()) if minor == NEWEST else 'refused'
        )


def disconnect_others() -> Handshake[None]:
    """Have the server close all other connections.

    This is ClientInit without the shared-flag (RFC 6143, section 7.3.1).
    """
    yield Write(b'\x00')
    # The server sends ServerInit when it has done so.
    yield Read(24)


def _start_tls() -> Handshake[int]:
    """Start TLS by VeNCrypt.

    :returns: the security type that follows inside TLS
    """
    subtypes = yield from vencrypt_subtypes()
    for subtype, inner in ((X509_VNC, VNC), (X509_NONE, NONE)):
        if subtype in subtypes:
            yield Write(struct.pack('>I', subtype))
            if (yield Read(1)) != b'\x01':
                raise RFBError('it refuses TLS')
            yield StartTLS()
            return inner
    raise RFBError(f'it offers VeNCrypt subtypes {sorted(subtypes)} alone')
