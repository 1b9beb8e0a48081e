# SPDX-License-Identifier: Apache-2.0

"""PDUs that precede TLS: X.224 connection ([MS-RDPBCGR]), and preconnection.

An X.224 PDU is inside a TPKT (RFC 1006, section 6): version 3, a zero, and two
bytes with the length of the whole.
"""

import struct
from typing import Final

#: Bytes of the header of a TPKT.
TPKT_HEADER: Final = 4

#: Most bytes of an X.224 request or confirm. A request has a cookie, a routing
#: token or a user name at most, and 44 bytes of negotiation.
LONGEST_X224: Final = 1024

# Codes of X.224 (ITU-T X.224, sections 13.3 and 13.4). The lower half of the
# byte is a credit.
_REQUEST: Final = 0xE0
_CONFIRM: Final = 0xD0

# Bytes of a TPKT with an X.224 header and nothing more.
_SHORTEST_X224: Final = 11

# Types of the negotiation in a confirm ([MS-RDPBCGR] 2.2.1.2), and its bytes.
_SELECTED: Final = 2
_FAILED: Final = 3
_NEGOTIATION: Final = 8

# Selected protocols with CredSSP ([MS-RDPBCGR] 2.2.1.2.1): HYBRID, HYBRID_EX.
_CREDSSP: Final = 0x2 | 0x8

# Failure codes ([MS-RDPBCGR] 2.2.1.2.2).
_FAILURES: Final = {
    1: 'it requires TLS',
    2: 'it does not allow TLS',
    3: 'it has no certificate for TLS',
    4: 'it finds the request inconsistent',
    5: 'it requires network level authentication',
    6: 'it requires TLS with a certificate of the client',
}

# Most characters of an identifier: that of internal_access_path.
_LONGEST_IDENTIFIER: Final = 255


class RDPError(Exception):
    """The peer violates the protocol, or refuses the handshake."""


class NegotiationError(RDPError):
    """The RDP server does not agree on TLS.

    :param confirm: its X.224 confirm, which tells the client why
    """

    def __init__(self, message: str, confirm: bytes) -> None:
        super().__init__(message)
        self.confirm = confirm


def x224_length(header: bytes) -> int:
    """The length of an X.224 PDU with its TPKT, from the TPKT's header.

    :raises RDPError: it is not a TPKT, or the length is out of range
    """
    version, _, length = struct.unpack('>BBH', header)
    if version != 3:
        raise RDPError('this is not RDP')
    if not _SHORTEST_X224 <= length <= LONGEST_X224:
        raise RDPError(f'an X.224 PDU has {length} bytes')
    return int(length)


def check_request(pdu: bytes) -> None:
    """Check that bytes are one X.224 connection request.

    :raises RDPError: they are not
    """
    _check(pdu, _REQUEST)


def check_confirm(pdu: bytes) -> None:
    """Check that an X.224 confirm selects TLS, with or without CredSSP.

    :raises NegotiationError: it does not
    :raises RDPError: it is not a confirm
    """
    _check(pdu, _CONFIRM)
    negotiation = pdu[_SHORTEST_X224:]
    if not negotiation:
        raise NegotiationError('it does not support TLS', pdu)
    if len(negotiation) != _NEGOTIATION:
        raise RDPError('the negotiation has the wrong length')
    kind, _, length, value = struct.unpack('<BBHI', negotiation)
    if kind not in (_SELECTED, _FAILED) or length != _NEGOTIATION:
        raise RDPError('the negotiation is of an unknown kind')
    if kind == _FAILED:
        reason = _FAILURES.get(value, f'failure {value}')
        raise NegotiationError(reason, pdu)
    if value == 0:
        raise NegotiationError('it selects RDP security without TLS', pdu)


def selects_credssp(confirm: bytes | None) -> bool:
    """Whether CredSSP follows TLS.

    :param confirm: an X.224 confirm; None: there is none, as with Hyper-V,
        which requires CredSSP
    """
    if confirm is None:
        return True
    return bool(int.from_bytes(confirm[-4:], 'little') & _CREDSSP)


def preconnection(identifier: str) -> bytes:
    """A preconnection PDU of version 2 ([MS-RDPEPS] 2.2.1.2).

    :param identifier: of the console, such as a virtual machine's id:
        see :func:`is_identifier`
    """
    text = f'{identifier}\0'.encode('utf-16-le')
    body = struct.pack('<IIIH', 0, 2, 0, len(text) // 2) + text
    return struct.pack('<I', len(body) + 4) + body


def is_identifier(text: str) -> bool:
    """Whether a preconnection PDU can have a text."""
    return 0 < len(text) <= _LONGEST_IDENTIFIER and text.isprintable()


def _check(pdu: bytes, code: int) -> None:
    if len(pdu) < _SHORTEST_X224 or x224_length(pdu[:TPKT_HEADER]) != len(pdu):
        raise RDPError('an X.224 PDU has the wrong length')
    # The length indicator does not count itself.
    if pdu[4] != len(pdu) - TPKT_HEADER - 1 or pdu[5] & 0xF0 != code:
        raise RDPError('an X.224 PDU is not that of a connection')
