# SPDX-License-Identifier: Apache-2.0

"""Tickets: passwords, encrypted for a server by its public key.

The algorithm is RSA-OAEP with SHA-1 and a key of 1024 bits; SPICE has no
other. It protects a password from those who only listen. TLS protects more.
"""

from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from console_svc.protocols.spice.wire import Code, SpiceError

_BITS: Final = 1024

#: Bytes of a ticket.
TICKET: Final = _BITS // 8

_OAEP: Final = padding.OAEP(
    padding.MGF1(hashes.SHA1()),  # noqa: S303 (the protocol's)
    hashes.SHA1(),  # noqa: S303
    label=None,
)


class Key:
    """A server's key. To generate it takes milliseconds of CPU time."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(65537, _BITS)
        #: What clients encrypt their tickets with, in DER.
        self.public = self._key.public_key().public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo,
        )

    def decrypt(self, ticket: bytes) -> str | None:
        """The password in a ticket; None: it cannot be decrypted."""
        try:
            password = self._key.decrypt(ticket, _OAEP)
            return password.partition(b'\0')[0].decode()
        except ValueError:
            # UnicodeDecodeError is a ValueError, too.
            return None


def encrypt(password: str, key: bytes) -> bytes:
    """The ticket of a password.

    :param password: at most 60 bytes
    :param key: the server's public key
    :raises SpiceError: the key is malformed, or not of RSA
    """
    try:
        public = serialization.load_der_public_key(key)
        if isinstance(public, rsa.RSAPublicKey):
            ticket = public.encrypt(password.encode() + b'\0', _OAEP)
            if len(ticket) == TICKET:
                return ticket
    except (ValueError, UnsupportedAlgorithm):
        pass
    raise SpiceError('its public key is malformed', Code.INVALID_DATA)
