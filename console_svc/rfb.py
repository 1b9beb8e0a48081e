# SPDX-License-Identifier: Apache-2.0

"""RFB's handshakes (RFC 6143, RFB 3.3 to 3.8), for either end of a line.

They do no I/O: a handshake is a generator of what is to be done next
(:class:`Read`, :class:`Write`, :class:`StartTLS`, :class:`Respond`), and is
sent what came of it. So one text serves blocking sockets and asyncio.
"""

import dataclasses
import struct
from collections.abc import Generator, Sequence
from typing import Final, TypeVar

from cryptography.hazmat.decrepit.ciphers import algorithms
from cryptography.hazmat.primitives.ciphers import Cipher, modes

_VERSION: Final = b'RFB 003.%03d\n'
#: The newest minor version of RFB 3.
NEWEST: Final = 8

#: Security types (RFC 6143, section 7.1.2; VeNCrypt: the RFB community's
#: specification).
NONE: Final = 1
VNC: Final = 2
VENCRYPT: Final = 19

#: VeNCrypt's subtypes: X.509 certificates, then nothing, or VNC
#: authentication.
X509_NONE: Final = 260
X509_VNC: Final = 261

# Bytes of a challenge of VNC authentication, and of its response.
_CHALLENGE: Final = 16

# A reason is read no further.
_LONGEST_REASON: Final = 1000


class RFBError(Exception):
    """The other end says something else than RFB, or refuses."""


@dataclasses.dataclass(frozen=True, slots=True)
class Read:
    """Read so many bytes, and send the handshake all of them."""

    number: int


@dataclasses.dataclass(frozen=True, slots=True)
class Write:
    """Write these bytes."""

    data: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class StartTLS:
    """Go on with TLS, as its client."""


@dataclasses.dataclass(frozen=True, slots=True)
class Respond:
    """Send the handshake what answers a challenge of VNC authentication."""

    challenge: bytes


_T = TypeVar('_T')
Handshake = Generator[Read | Write | StartTLS | Respond, bytes, _T]


# As a client of a hypervisor's VNC server.


def security_types() -> Handshake[tuple[int, frozenset[int]]]:
    """Exchange versions.

    :returns: the minor version, and the security types that are offered
    :raises RFBError: the server speaks another protocol, or refuses
    """
    minor = yield from _version('server')
    yield Write(_VERSION % minor)
    if minor == 3:
        chosen = yield from _number()
        if chosen == 0:
            raise RFBError((yield from _reason()))
        return minor, frozenset([chosen])
    (number,) = yield Read(1)
    if not number:
        raise RFBError((yield from _reason()))
    return minor, frozenset((yield Read(number)))


def vencrypt_subtypes() -> Handshake[frozenset[int]]:
    """Choose VeNCrypt, and see what the server offers below it."""
    yield Write(bytes([VENCRYPT]))
    yield Read(2)
    yield Write(b'\x00\x02')
    if (yield Read(1)) != b'\x00':
        raise RFBError('another version of VeNCrypt')
    (number,) = yield Read(1)
    return frozenset(struct.unpack(f'>{number}I', (yield Read(4 * number))))


def is_protected() -> Handshake[bool]:
    """Whether the server lets nobody in without a password.

    :raises RFBError: it can't be found out
    """
    _, types = yield from security_types()
    if types == {VENCRYPT}:
        return (yield from vencrypt_subtypes()) == {X509_VNC}
    return types == {VNC}


def log_in(accepted: Sequence[int]) -> Handshake[None]:
    """Go through whatever the server asks for.

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
        challenge = yield Read(_CHALLENGE)
        yield Write((yield Respond(challenge)))
    elif minor < NEWEST:
        return
    if (yield from _number()) != 0:
        raise RFBError(
            (yield from _reason()) if minor == NEWEST else 'refused'
        )


def be_alone() -> Handshake[None]:
    """Have the server end all other connections: ClientInit, not shared."""
    yield Write(b'\x00')
    # ServerInit is sent when that is done.
    yield Read(24)


def _start_tls() -> Handshake[int]:
    """VeNCrypt; what follows inside of it."""
    subtypes = yield from vencrypt_subtypes()
    for subtype, inner in ((X509_VNC, VNC), (X509_NONE, NONE)):
        if subtype in subtypes:
            yield Write(struct.pack('>I', subtype))
            if (yield Read(1)) != b'\x01':
                raise RFBError('it refuses TLS')
            yield StartTLS()
            return inner
    raise RFBError(f'it offers VeNCrypt subtypes {sorted(subtypes)} alone')


# As a server of a browser, or of another client.


def offer(security_type: int) -> Handshake[int]:
    """Exchange versions, and have the client take a security type.

    :returns: the minor version
    :raises RFBError: the client speaks another protocol, or wants another
        type
    """
    minor = yield from _client_version()
    if minor == 3:
        yield Write(struct.pack('>I', security_type))
        return minor
    yield Write(bytes([1, security_type]))
    if (yield Read(1)) != bytes([security_type]):
        raise RFBError('the client wants another security type')
    return minor


def refuse(reason: str) -> Handshake[None]:
    """Tell the client, before it is asked for anything, that it is not in."""
    minor = yield from _client_version()
    words = reason.encode()
    zero = bytes(4 if minor == 3 else 1)
    yield Write(zero + struct.pack('>I', len(words)) + words)


def ask(challenge: bytes) -> Handshake[bytes]:
    """Have the client respond to a challenge."""
    yield Write(challenge)
    return (yield Read(_CHALLENGE))


def welcome(minor: int, security_type: int) -> Handshake[None]:
    """Tell the client that it is in."""
    if security_type != NONE or minor == NEWEST:
        yield Write(struct.pack('>I', 0))


def turn_away(minor: int, reason: str) -> Handshake[None]:
    """Tell the client that it is not, and why."""
    yield Write(struct.pack('>I', 1))
    if minor == NEWEST:
        words = reason.encode()
        yield Write(struct.pack('>I', len(words)) + words)


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


def _client_version() -> Handshake[int]:
    yield Write(_VERSION % NEWEST)
    return (yield from _version('client'))


def _version(other: str) -> Handshake[int]:
    """The minor version that the other end says, as far as there is one."""
    banner = yield Read(len(_VERSION % NEWEST))
    if not banner.startswith(b'RFB 003.') or not banner[8:11].isdigit():
        raise RFBError(f'not an RFB {other}')
    minor = int(banner[8:11])
    # Others than these are to be taken for 3.3 (RFC 6143, section 7.1.1).
    return NEWEST if minor >= NEWEST else 7 if minor == 7 else 3


def _number() -> Handshake[int]:
    (number,) = struct.unpack('>I', (yield Read(4)))
    return int(number)


def _reason() -> Handshake[str]:
    length = yield from _number()
    words = yield Read(min(length, _LONGEST_REASON))
    return words.decode(errors='replace')
