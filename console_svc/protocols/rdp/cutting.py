# SPDX-License-Identifier: Apache-2.0

"""Where the PDUs of an RDP server end.

IronRDP loses the bytes that follow the last PDU of a connection sequence in
the same message of the websocket. So no message may go past the end of a PDU.
"""

from collections.abc import Iterator
from typing import Final

# First byte of a TPKT (RFC 1006, section 6), and bytes of its header.
_TPKT: Final = 3
_TPKT_HEADER: Final = 4

# In the first byte of a fast-path output PDU ([MS-RDPBCGR] 2.2.9.1.2) these
# bits are zero: the action, and those that are reserved.
_NOT_FAST_PATH: Final = 0x3F

# In the second byte: whether the length has another one.
_LONG: Final = 0x80


class Cutter:
    """Cuts a stream at the ends of its PDUs.

    A message of another protocol, such as CredSSP, passes as it was received.
    """

    def __init__(self) -> None:
        # Bytes of the current PDU that are not received yet.
        self._missing = 0
        # The start of a header that is not complete.
        self._header = b''

    def cut(self, data: bytes) -> Iterator[bytes]:
        """Yield received bytes in pieces, none of which goes past a PDU."""
        data, self._header = self._header + data, b''
        while data:
            if not self._missing:
                length = _length(data)
                if length is None:
                    self._header = data
                    return
                self._missing = length
            piece, data = data[: self._missing], data[self._missing :]
            self._missing -= len(piece)
            yield piece


def _length(data: bytes) -> int | None:
    """The length of the PDU at the start of data, or all of other data.

    :returns: None: too little of the header is there
    """
    if data[0] == _TPKT:
        if len(data) < _TPKT_HEADER:
            return None
        length, header = int.from_bytes(data[2:4]), _TPKT_HEADER
    elif data[0] & _NOT_FAST_PATH:
        return len(data)
    elif len(data) < 2:
        return None
    elif data[1] & _LONG:
        if len(data) < 3:
            return None
        length, header = (data[1] & ~_LONG) << 8 | data[2], 3
    else:
        length, header = data[1], 2
    return length if length > header else len(data)
