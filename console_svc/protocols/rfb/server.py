# SPDX-License-Identifier: Apache-2.0

"""The server's side of RFB, towards a browser or a native client."""

import dataclasses
import struct
from collections.abc import Sequence
from typing import Final

from console_svc.protocols.rfb.wire import (
    CHALLENGE,
    NEWEST,
    NONE,
    VENCRYPT,
    VERSION,
    VNC,
    X509_PLAIN,
    XVP,
    Handshake,
    RFBError,
    read_version,
    response,
)
from console_svc.protocols.steps import Read, StartTLS, Write

# Most bytes of a user name or a password.
_LONGEST_NAME: Final = 255


@dataclasses.dataclass(frozen=True, slots=True)
class Credentials:
    """The log-in of a client.

    :param minor: its minor version of RFB
    :param user_name: names the console; None: the port identifies it
    :param response: to the challenge
    """

    minor: int
    user_name: str | None
    response: bytes = dataclasses.field(repr=False)


def offer(security_type: int) -> Handshake[int]:
    """Exchange versions, and offer the client one security type.

    :returns: the minor version
    :raises RFBError: the client speaks another protocol, or chooses another
        type
    """
    minor = yield from _client_version()
    yield from _choose(minor, [security_type])
    return minor


def refuse(reason: str) -> Handshake[None]:
    """Exchange versions, and refuse the client with a reason."""
    minor = yield from _client_version()
    # No security types (RFC 6143, section 7.1.2).
    yield Write(bytes(4 if minor == 3 else 1) + _string(reason))


def ask(challenge: bytes) -> Handshake[bytes]:
    """Send a challenge of VNC authentication, and read the response."""
    yield Write(challenge)
    return (yield Read(CHALLENGE, typed=True))


def welcome(minor: int, security_type: int) -> Handshake[None]:
    """Send the SecurityResult: OK (RFC 6143, section 7.1.3).

    Before RFB 3.8, there is none without authentication.
    """
    if security_type != NONE or minor == NEWEST:
        yield Write(struct.pack('>I', 0))


def shared_flag() -> Handshake[bytes]:
    """Read ClientInit, which is the shared-flag (RFC 6143, section 7.3.1)."""
    return (yield Read(1))


def reject(minor: int, reason: str) -> Handshake[None]:
    """Send the SecurityResult: failed; since RFB 3.8 with the reason."""
    yield Write(struct.pack('>I', 1))
    if minor == NEWEST:
        yield Write(_string(reason))


def receive(
    challenge: bytes, types: Sequence[int], subtype: int
) -> Handshake[Credentials]:
    """Read the log-in of a client, up to the SecurityResult.

    :param challenge: for VNC authentication, random
    :param types: security types to offer, the best first
    :param subtype: of VeNCrypt: X509_VNC or X509_PLAIN
    :raises RFBError: the client speaks another protocol, or chooses another
        type
    """
    minor = yield from _client_version()
    chosen = yield from _choose(minor, types)
    if chosen == VENCRYPT:
        chosen = yield from _vencrypt(subtype)
    if chosen == X509_PLAIN:
        name, password = yield from _plain()
        return Credentials(minor, name, response(challenge, password))
    user_name = (yield from _target()) if chosen == XVP else None
    return Credentials(minor, user_name, (yield from ask(challenge)))


def _choose(minor: int, types: Sequence[int]) -> Handshake[int]:
    """Offer security types, and read the client's choice."""
    if minor == 3:
        # In this version the server chooses, and only these types exist.
        chosen = next((it for it in types if it in (NONE, VNC)), 0)
        yield Write(struct.pack('>I', chosen))
        if not chosen:
            yield Write(_string('RFB 3.7 or newer is required'))
            raise RFBError('the client speaks RFB 3.3')
        return chosen
    yield Write(bytes([len(types), *types]))
    (chosen,) = yield Read(1)
    if chosen not in types:
        yield from reject(minor, 'That security type was not offered')
        raise RFBError('the client chose a security type not offered')
    return int(chosen)


def _vencrypt(subtype: int) -> Handshake[int]:
    """Start TLS by VeNCrypt 0.2.

    :returns: the security type that follows inside TLS
    """
    yield Write(b'\x00\x02')
    if (yield Read(2)) != b'\x00\x02':
        yield Write(b'\xff')
        raise RFBError('the client speaks another version of VeNCrypt')
    yield Write(struct.pack('>BBI', 0, 1, subtype))
    if (yield Read(4)) != struct.pack('>I', subtype):
        yield Write(b'\x00')
        raise RFBError('the client chose a VeNCrypt subtype not offered')
    yield Write(b'\x01')
    yield StartTLS()
    return VNC if subtype != X509_PLAIN else X509_PLAIN


def _plain() -> Handshake[tuple[str, str]]:
    """Read user name and password of X509Plain."""
    lengths = struct.unpack('>II', (yield Read(8, typed=True)))
    if max(lengths) > _LONGEST_NAME:
        raise RFBError('the client sent too long a name or password')
    name = yield Read(lengths[0])
    password = yield Read(lengths[1])
    return name.decode(errors='replace'), password.decode('latin-1')


def _target() -> Handshake[str]:
    """Read the target that an xvp client names, or else the user name.

    The user name has no other meaning: a console has no users.
    """
    lengths = yield Read(2, typed=True)
    user, target = (yield Read(lengths[0])), (yield Read(lengths[1]))
    return (target or user).decode(errors='replace')


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack('>I', len(data)) + data


def _client_version() -> Handshake[int]:
    yield Write(VERSION % NEWEST)
    return (yield from read_version('client'))
