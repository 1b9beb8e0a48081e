# SPDX-License-Identifier: Apache-2.0

"""What clients of RDP send in X.224 data: MCS, and PDUs inside of it.

([MS-RDPBCGR], with the encodings of T.125.)
"""

import enum
import struct
from typing import Final

# MCS: the start of Connect-Initial; of Send Data Request; and the choices
# (upper six bits of the first byte) of Erect Domain Request, Disconnect
# Provider Ultimatum, Attach User Request and Channel Join Request. These are
# short.
_CONNECT_INITIAL: Final = b'\x7f\x65'
_SEND_DATA: Final = 0x64
_SHORT: Final = frozenset([1, 8, 10, 14])
_LONGEST_SHORT: Final = 12

# Send Data Request: initiator, channel, and the bits of a whole PDU.
_SEND_DATA_HEADER: Final = struct.Struct('>xHHB')
_WHOLE: Final = 0x30

# In the first byte of a length: it has another byte.
_LONG: Final = 0x80

# The I/O channel. Servers could choose another one, but none does.
_IO_CHANNEL: Final = 1003

# Basic security header: flags, of which the upper half is zero. As the type of
# a share control PDU, zero is invalid.
_SECURITY: Final = struct.Struct('<HH')
_INFO: Final = 0x0040
_LICENSE: Final = 0x0080

# Client Info: bytes of the alternate shell, behind the security header.
_SHELL: Final = struct.Struct('<18xH')

# Share control header: length and type; share data header: type.
_CONTROL: Final = struct.Struct('<HH')
_TYPE: Final = 0xF
_CONFIRM_ACTIVE: Final = 3
_SHARE_DATA: Final = 7
_DATA_TYPE: Final = 14
_DATA_HEADER: Final = 18

_INPUT: Final = 28

# Types of share data that ask for pictures, or belong to the connection
# sequence: control, synchronize, refresh rect, suppress output, font list,
# persistent key list, frame acknowledge.
_PICTURES: Final = frozenset([20, 31, 33, 35, 39, 43, 56])


class Kind(enum.Enum):
    """What a PDU is."""

    #: It belongs to the connection, or asks for pictures.
    VIEW = enum.auto()
    INPUT = enum.auto()
    #: The log-in, with a program to start.
    PROGRAM = enum.auto()
    #: For a virtual channel, or unknown.
    OTHER = enum.auto()


class SlowPath:
    """The slow-path PDUs of a client."""

    __slots__ = ('_has_info',)

    def __init__(self) -> None:
        # Whether Client Info was sent, which is the first on the I/O channel.
        self._has_info = False

    def kind(self, data: bytes) -> Kind:
        """What an MCS PDU is.

        :param data: behind the headers of TPKT and X.224
        """
        if not data or data[0] != _SEND_DATA:
            return _connection_kind(data)
        payload = _user_data(data)
        if len(payload) < _SECURITY.size:
            return Kind.OTHER
        is_first, self._has_info = not self._has_info, True
        flags, upper = _SECURITY.unpack_from(payload)
        if upper:
            return _share_kind(payload)
        if flags & _INFO:
            return _info_kind(payload) if is_first else Kind.OTHER
        return Kind.VIEW if flags & _LICENSE else Kind.OTHER


def _connection_kind(data: bytes) -> Kind:
    """What a PDU is that sends no data."""
    if data.startswith(_CONNECT_INITIAL):
        return Kind.VIEW
    is_short = 0 < len(data) <= _LONGEST_SHORT and data[0] >> 2 in _SHORT
    return Kind.VIEW if is_short else Kind.OTHER


def _user_data(data: bytes) -> bytes:
    """What a Send Data Request has for the I/O channel, or nothing."""
    if len(data) < _SEND_DATA_HEADER.size + 2:
        return b''
    _, channel, segmentation = _SEND_DATA_HEADER.unpack_from(data)
    if channel != _IO_CHANNEL or segmentation & _WHOLE != _WHOLE:
        return b''
    at = _SEND_DATA_HEADER.size
    length, at = data[at], at + 1
    if length & _LONG:
        length, at = (length & ~_LONG) << 8 | data[at], at + 1
    return data[at:] if length == len(data) - at else b''


def _info_kind(payload: bytes) -> Kind:
    """What a Client Info PDU is."""
    if len(payload) < _SHELL.size:
        return Kind.OTHER
    (shell,) = _SHELL.unpack_from(payload)
    return Kind.PROGRAM if shell else Kind.VIEW


def _share_kind(payload: bytes) -> Kind:
    """What share control PDUs are: one, or several behind one another."""
    found = Kind.VIEW
    while payload:
        if len(payload) < _CONTROL.size:
            return Kind.OTHER
        length, kind = _CONTROL.unpack_from(payload)
        if not _CONTROL.size <= length <= len(payload):
            return Kind.OTHER
        pdu, payload = payload[:length], payload[length:]
        kind &= _TYPE
        if kind == _SHARE_DATA and length >= _DATA_HEADER:
            if pdu[_DATA_TYPE] == _INPUT:
                found = Kind.INPUT
            elif pdu[_DATA_TYPE] not in _PICTURES:
                return Kind.OTHER
        elif kind != _CONFIRM_ACTIVE:
            return Kind.OTHER
    return found
