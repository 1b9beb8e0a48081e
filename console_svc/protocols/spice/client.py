# SPDX-License-Identifier: Apache-2.0

"""The client's side of SPICE's link, towards a hypervisor's SPICE server."""

import struct

from console_svc.protocols.spice.ticket import encrypt
from console_svc.protocols.spice.wire import (
    CHANNELS,
    COMMON,
    SPICE_TICKET,
    Code,
    Handshake,
    Link,
    SpiceError,
    check,
    read_reply,
)
from console_svc.protocols.steps import Read, Write


def log_in(link: Link, password: str) -> Handshake[None]:
    """Open a channel with the link message of a client.

    :param password: at most 60 bytes; of a server that requires none, empty
    :raises SpiceError: the server violates the protocol, refuses, or lacks a
        capability that was announced to the client
    """
    yield Write(link.data)
    key, common, channel = yield from read_reply()
    _check('common', COMMON & ~common)
    _check(link.channel.name.lower(), CHANNELS.get(link.channel, 0) & ~channel)
    ticket = encrypt(password, key)
    if link.selects_mechanism:
        ticket = struct.pack('<I', SPICE_TICKET) + ticket
    yield Write(ticket)
    check(struct.unpack('<I', (yield Read(4)))[0])


def _check(kind: str, missing: int) -> None:
    if missing:
        raise SpiceError(
            f'it lacks {kind} capabilities of spice-server 0.14: {missing:#x}',
            Code.ERROR,
        )
