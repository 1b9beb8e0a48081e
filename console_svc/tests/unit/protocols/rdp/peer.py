# SPDX-License-Identifier: Apache-2.0

"""The peer of a handshake, whose data is known in advance."""

from collections.abc import Generator
from typing import Any

from console_svc.protocols.steps import Read, StartTLS, Write


class NoMoreData(Exception):
    """The handshake reads more than the peer sends."""


def talk(
    handshake: Generator[Any, bytes, Any], sent: bytes
) -> tuple[Any, bytes, bytes]:
    """Carry out a handshake with a peer that sends some data.

    :returns: the handshake's result, what the peer has received, and what it
        has sent and was not read
    """
    received = b''
    outcome = None
    while True:
        try:
            step = handshake.send(outcome)  # type: ignore[arg-type]
        except StopIteration as end:
            return end.value, received, sent
        outcome = None
        match step:
            case Read(number):
                if number > len(sent):
                    raise NoMoreData
                outcome, sent = sent[:number], sent[number:]
            case Write(data):
                received += data
            case StartTLS():
                received += b'<TLS>'
