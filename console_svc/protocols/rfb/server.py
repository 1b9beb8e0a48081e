# SPDX-License-Identifier: Apache-2.0

"""RFB as a server of a browser, or of a native client."""

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
    Read,
    RFBError,
    StartTLS,
    Write,
    read_version,
    response,
)

# Bytes of a name or a password, at most.
_LONGEST_NAME: Final = 255


@dataclasses.dataclass(frozen=True, slots=True)
class Login:
    """How a client wants to get in.

    :param minor: its version of RFB
    :param user_name: what it calls the console; None: the port says which
    :param response: to the challenge
    """

    minor: int
    user_name: str | None
    response: bytes = dataclasses.field(repr=False)


def offer(security_type: int) -> Handshake[int]:
    """Exchange versions, and have the client take a security type.

    :returns: the minor version
    :raises RFBError: the client speaks another protocol, or wants another
        type
    """
    minor = yield from _client_version()
    yield from _choose(minor, [security_type])
    return minor


def refuse(reason: str) -> Handshake[None]:
    """Tell the client, before it is asked for anything, that it is not in."""
    minor = yield from _client_version()
    yield Write(bytes(4 if minor == 3 else 1) + _words(reason))


def ask(challenge: bytes) -> Handshake[bytes]:
    """Have the client respond to a challenge."""
    yield Write(challenge)
    return (yield Read(CHALLENGE, typed=True))


def welcome(minor: int, security_type: int) -> Handshake[None]:
    """Tell the client that it is in."""
    if security_type != NONE or minor == NEWEST:
        yield Write(struct.pack('>I', 0))


def turn_away(minor: int, reason: str) -> Handshake[None]:
    """Tell the client that it is not, and why."""
    yield Write(struct.pack('>I', 1))
    if minor == NEWEST:
        yield Write(_words(reason))


def receive(
    challenge: bytes, types: Sequence[int], subtype: int
) -> Handshake[Login]:
    """Hear how a client wants to get in. Whether it may, is not said yet.

    :param challenge: for VNC authentication, random
    :param types: security types of which it can choose, the best first
    :param subtype: what stands inside of VeNCrypt: X509_VNC or X509_PLAIN
    :raises RFBError: it speaks another protocol, or wants something else
    """
    minor = yield from _client_version()
    chosen = yield from _choose(minor, types)
    if chosen == VENCRYPT:
        chosen = yield from _vencrypt(subtype)
    if chosen == X509_PLAIN:
        name, password = yield from _plain()
        return Login(minor, name, response(challenge, password))
    user_name = (yield from _target()) if chosen == XVP else None
    return Login(minor, user_name, (yield from ask(challenge)))


def _choose(minor: int, types: Sequence[int]) -> Handshake[int]:
    """Have the client choose a security type."""
    if minor == 3:
        # In this version the server chooses, and there are no other types.
        chosen = next((it for it in types if it in (NONE, VNC)), 0)
        yield Write(struct.pack('>I', chosen))
        if not chosen:
            yield Write(_words('A newer version of RFB is needed here'))
            raise RFBError('the client speaks RFB 3.3')
        return chosen
    yield Write(bytes([len(types), *types]))
    (chosen,) = yield Read(1)
    if chosen not in types:
        yield from turn_away(minor, 'That security type was not offered')
        raise RFBError('the client wants another security type')
    return int(chosen)


def _vencrypt(subtype: int) -> Handshake[int]:
    """VeNCrypt 0.2, up to TLS; what follows inside of it."""
    yield Write(b'\x00\x02')
    if (yield Read(2)) != b'\x00\x02':
        yield Write(b'\xff')
        raise RFBError('the client speaks another version of VeNCrypt')
    yield Write(struct.pack('>BBI', 0, 1, subtype))
    if (yield Read(4)) != struct.pack('>I', subtype):
        yield Write(b'\x00')
        raise RFBError('the client wants another subtype of VeNCrypt')
    yield Write(b'\x01')
    yield StartTLS()
    return VNC if subtype != X509_PLAIN else X509_PLAIN


def _plain() -> Handshake[tuple[str, str]]:
    """User name and password, as they are."""
    lengths = struct.unpack('>II', (yield Read(8, typed=True)))
    if max(lengths) > _LONGEST_NAME:
        raise RFBError('the client sends too long a name or password')
    name = yield Read(lengths[0])
    password = yield Read(lengths[1])
    return name.decode(errors='replace'), password.decode('latin-1')


def _target() -> Handshake[str]:
    """What xvp's clients name: a user, and a target.

    A password is all that a user needs here, so the target counts; where
    there is none, the user's name is taken for it.
    """
    lengths = yield Read(2, typed=True)
    user, target = (yield Read(lengths[0])), (yield Read(lengths[1]))
    return (target or user).decode(errors='replace')


def _words(reason: str) -> bytes:
    words = reason.encode()
    return struct.pack('>I', len(words)) + words


def _client_version() -> Handshake[int]:
    yield Write(VERSION % NEWEST)
    return (yield from read_version('client'))
