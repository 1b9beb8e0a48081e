# SPDX-License-Identifier: Apache-2.0

"""The server's side of SPICE's link, towards a client."""

import dataclasses
import struct
from collections.abc import Container

from console_svc.protocols.spice.ticket import TICKET, Key
from console_svc.protocols.spice.wire import (
    SPICE_TICKET,
    Channel,
    Code,
    Handshake,
    Link,
    SpiceError,
    read_link,
    refusal,
    reply,
    result,
)
from console_svc.protocols.steps import Read, Write


@dataclasses.dataclass(frozen=True, slots=True)
class LogIn:
    """The log-in of a client on one channel.

    :param password: None: its ticket cannot be decrypted
    """

    link: Link
    password: str | None = dataclasses.field(repr=False)


def receive(key: Key, channels: Container[Channel]) -> Handshake[LogIn]:
    """Read the log-in of a client, up to the result.

    :param channels: those that clients may open
    :raises SpiceError: the client violates the protocol, or opens another
        channel; it got the error
    """
    try:
        link = yield from read_link()
        if link.channel not in channels:
            raise SpiceError(
                f'[spice] channels does not allow {link.channel.name.lower()}',
                Code.CHANNEL_NOT_AVAILABLE,
            )
    except SpiceError as error:
        yield Write(refusal(error.code))
        raise
    yield Write(reply(key.public, link.channel))
    if link.selects_mechanism:
        (mechanism,) = struct.unpack('<I', (yield Read(4)))
        if mechanism != SPICE_TICKET:
            yield Write(result(Code.INVALID_DATA))
            raise SpiceError(
                f'the client chose the authentication {mechanism}',
                Code.INVALID_DATA,
            )
    return LogIn(link, key.decrypt((yield Read(TICKET))))
