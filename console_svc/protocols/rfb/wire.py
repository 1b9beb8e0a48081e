# SPDX-License-Identifier: Apache-2.0

"""What clients and servers of RFB share: steps, constants, data types."""

import dataclasses
import re
import struct
from collections.abc import Generator
from typing import Final, TypeVar

from cryptography.hazmat.decrepit.ciphers import algorithms
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from console_svc.protocols.steps import Read, StartTLS, Write

VERSION: Final = b'RFB 003.%03d\n'
#: The newest minor version of RFB 3.
NEWEST: Final = 8

#: Security types (RFC 6143, section 7.1.2; VeNCrypt and xvp: the RFB
#: community's specification).
NONE: Final = 1
VNC: Final = 2
VENCRYPT: Final = 19
XVP: Final = 22

#: VeNCrypt's subtypes: X.509 certificates, then nothing, VNC authentication,
#: or user name and password.
X509_NONE: Final = 260
X509_VNC: Final = 261
X509_PLAIN: Final = 262

#: Bytes of a challenge of VNC authentication, and of its response.
CHALLENGE: Final = 16

# Most bytes of a reason that are read.
_LONGEST_REASON: Final = 1000

# Most characters of an error's message.
_LONGEST_MESSAGE: Final = 300

# RealVNC's servers and viewers announce RFB 4 and 5, and also speak RFB 3.8.
_VERSION: Final = re.compile(rb'RFB 00([345])\.([0-9]{3})')


class RFBError(Exception):
    """The peer violates the protocol, or refuses the handshake.

    The message can have text from the peer. To be safe in logs and on
    screens, it is cut, and control and bidi characters in it are escaped.
    """

    def __init__(self, message: str) -> None:
        super().__init__(_printable(message)[:_LONGEST_MESSAGE])


@dataclasses.dataclass(frozen=True, slots=True)
class Respond:
    """Send the handshake the response to a VNC authentication challenge."""

    challenge: bytes


_T = TypeVar('_T')
Handshake = Generator[Read | Write | StartTLS | Respond, bytes, _T]


def response(challenge: bytes, password: str) -> bytes:
    """The response to a VNC authentication challenge.

    It is DES (RFC 6143, section 7.2.2); in the key, each byte of the password
    has its bits in reverse order.
    """
    key = bytes(
        int(f'{byte:08b}'[::-1], 2)
        for byte in password.encode('latin-1')[:8].ljust(8, b'\0')
    )
    # Triple DES with three equal keys is DES.
    cipher = Cipher(algorithms.TripleDES(key * 3), modes.ECB())  # noqa: S305
    encryptor = cipher.encryptor()
    return encryptor.update(challenge) + encryptor.finalize()


def read_version(role: str) -> Handshake[int]:
    """Read the peer's version.

    :param role: of the peer: client or server, for the error's message
    :returns: the minor version to use: 3, 7 or 8
    :raises RFBError: the peer does not speak RFB 3, 4 or 5
    """
    version = _VERSION.match((yield Read(len(VERSION % NEWEST))))
    if version is None:
        raise RFBError(f'not an RFB {role}')
    major, minor = map(int, version.groups())
    if major > 3 or minor >= NEWEST:
        return NEWEST
    # All others must be treated as 3.3 (RFC 6143, section 7.1.1).
    return 7 if minor == 7 else 3


def read_number() -> Handshake[int]:
    """Read a number of four bytes."""
    (number,) = struct.unpack('>I', (yield Read(4)))
    return int(number)


def read_reason() -> Handshake[str]:
    """Read the reason of a refusal, up to 1000 bytes of it."""
    length = yield from read_number()
    reason = yield Read(min(length, _LONGEST_REASON))
    return reason.decode(errors='replace')


def _printable(text: str) -> str:
    """Escape what is not printable: control and bidi characters, newlines."""
    return ''.join(
        char if char.isprintable() else char.encode('unicode_escape').decode()
        for char in text
    )
