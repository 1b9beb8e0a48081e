# SPDX-License-Identifier: Apache-2.0

"""The peer of a handshake, whose data is known in advance."""

import struct
from typing import Any

from console_svc.protocols import rfb

V3, V7, V8 = (b'RFB 003.%03d\n' % minor for minor in (3, 7, 8))
OK, FAILED = bytes(4), b'\0\0\0\1'


class NoMoreData(Exception):
    """The handshake reads more than the peer sends."""


def talk(handshake: rfb.Handshake[Any], *sent: bytes) -> tuple[Any, bytes]:
    """Carry out a handshake with a peer that sends some data.

    :returns: the handshake's result, and what the peer has received
    """
    waiting = b''.join(sent)
    received = b''
    outcome = None
    while True:
        try:
            step = handshake.send(outcome)  # type: ignore[arg-type]
        except StopIteration as end:
            return end.value, received
        outcome = None
        match step:
            case rfb.Read(number=length):
                if length > len(waiting):
                    raise NoMoreData
                outcome, waiting = waiting[:length], waiting[length:]
            case rfb.Write(data):
                received += data
            case rfb.Respond(challenge):
                outcome = rfb.response(challenge, 'sesame')
            case rfb.StartTLS():
                received += b'<TLS>'


def number(value: int) -> bytes:
    """A number of four bytes."""
    return struct.pack('>I', value)
