# SPDX-License-Identifier: Apache-2.0

"""The PDUs of RDP clients, and which of them are input.

([MS-RDPBCGR]; T.125 and X.224 as it has them; CredSSP: [MS-CSSP].)
"""

from typing import Final

from console_svc.protocols.input_filter import ProtocolError
from console_svc.protocols.message_filter import MessageFilter
from console_svc.protocols.rdp.pressed import Pressed
from console_svc.protocols.rdp.slow_path import Kind, SlowPath

# First byte of a TPKT, before a zero; bytes of its header, and with X.224's.
_TPKT: Final = 3
_TPKT_HEADER: Final = 4
_X224: Final = 7

# First byte of CredSSP's messages, which are DER; most bytes of their header,
# and of all.
_CREDSSP: Final = 0x30
_LONGEST_HEADER: Final = 6
_LONGEST_CREDSSP: Final = 2**17

# In the first byte of a fast-path PDU: what is zero, and what tells that it is
# encrypted. The second byte has a bit for a length of two bytes.
_ACTION: Final = 0x3
_ENCRYPTED: Final = 0xC0
_LONG: Final = 0x80

# X.224, behind the TPKT: data; and the codes of requests, to connect and to
# disconnect.
_DATA: Final = b'\x02\xf0\x80'
_REQUESTS: Final = (0xE0, 0x80)


class Filter(MessageFilter):
    """The filter of RDP, which starts inside of TLS.

    With TLS, nothing is encrypted once more, so every PDU can be read. What
    passes in view mode are CredSSP, the connection sequence, and what asks for
    pictures, on the I/O channel alone. So the virtual channels are closed:
    clipboard, drives, sound, devices, touch, screen sizes.

    :param credssp: whether the connection starts with CredSSP: see
        :func:`~console_svc.protocols.rdp.selects_credssp`. Servers that do not
        expect it would find other PDUs in it.
    """

    __slots__ = ('_credssp', '_has_started', '_pressed', '_slow_path')

    def __init__(self, is_view: bool, credssp: bool) -> None:
        super().__init__(is_view)
        self._credssp = credssp
        # Whether there was a TPKT: then, the first byte of CredSSP's messages
        # is one of fast-path.
        self._has_started = False
        self._slow_path = SlowPath()
        self._pressed = Pressed()

    def _measure(self, data: bytes, at: int) -> tuple[int, int]:
        first = data[at]
        head = data[at : at + _LONGEST_HEADER]
        if first == _TPKT and not any(head[1:2]):
            return _tpkt_length(head), 0
        if self._has_started and not first & _ACTION:
            return _fast_path_length(head), 0
        if self._credssp and first == _CREDSSP:
            return _der_length(head), 0
        raise ProtocolError(f'The client sent an RDP PDU of the type {first}.')

    def _filter(self, message: bytes) -> bytes:
        if message[0] == _TPKT:
            self._has_started = True
            return self._filter_slow_path(message)
        if not self._has_started:
            return message
        self.input_seen = True
        if self.is_view:
            return b''
        if not message[0] & _ENCRYPTED:
            self._pressed.note(message)
        return message

    def _filter_slow_path(self, message: bytes) -> bytes:
        if message[_TPKT_HEADER:_X224] != _DATA:
            if self.is_view and not _is_request(message):
                raise ProtocolError('The client sent an unknown X.224 PDU.')
            return message
        kind = self._slow_path.kind(message[_X224:])
        if kind is Kind.INPUT:
            self.input_seen = True
        if kind is Kind.PROGRAM and self.is_view:
            raise ProtocolError('To start a program requires control.')
        return message if not self.is_view or kind is Kind.VIEW else b''

    def _between(self) -> bytes:
        return self._pressed.release() if self.is_view else b''


def _is_request(pdu: bytes) -> bool:
    """Whether it is a request of X.224, and nothing follows."""
    # The length indicator does not count itself.
    return pdu[4] == len(pdu) - _TPKT_HEADER - 1 and pdu[5] in _REQUESTS


def _tpkt_length(head: bytes) -> int:
    if len(head) < _TPKT_HEADER:
        return _TPKT_HEADER
    length = int.from_bytes(head[2:_TPKT_HEADER])
    if length < _X224:
        raise ProtocolError(f'The client sent a TPKT of {length} bytes.')
    return length


def _fast_path_length(head: bytes) -> int:
    if len(head) < 2:
        return 2
    header, length = 2, head[1]
    if length & _LONG:
        header = 3
        if len(head) < header:
            return header
        length = (length & ~_LONG) << 8 | head[2]
    if length < header:
        raise ProtocolError(f'The client sent an RDP PDU of {length} bytes.')
    return length


def _der_length(head: bytes) -> int:
    if len(head) < 2:
        return 2
    if not head[1] & _LONG:
        return 2 + head[1]
    header = 2 + (head[1] & ~_LONG)
    if not 2 < header <= _LONGEST_HEADER:
        raise ProtocolError('The client sent a malformed CredSSP message.')
    if len(head) < header:
        return header
    length = header + int.from_bytes(head[2:header])
    if length > _LONGEST_CREDSSP:
        raise ProtocolError(
            f'The client sent a CredSSP message of {length} bytes.'
        )
    return length
