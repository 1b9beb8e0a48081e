# SPDX-License-Identifier: Apache-2.0

"""SPICE's link, in both roles: how each channel of a client starts.

The functions are generators without I/O, as those of
:mod:`console_svc.protocols.rfb`. Each TCP connection is a channel. The client
sends a link message, and gets the server's public key and capabilities. It
sends a ticket: its password, encrypted. After the result, the messages of the
channel follow: there is a filter of what clients send (:class:`Filter`,
:func:`channel_filter`).
"""

from console_svc.protocols.spice.client import log_in
from console_svc.protocols.spice.input_filter import (
    VIEW_CHANNELS,
    channel_filter,
)
from console_svc.protocols.spice.server import LogIn, receive
from console_svc.protocols.spice.stream_filter import Filter
from console_svc.protocols.spice.ticket import TICKET, Key, encrypt
from console_svc.protocols.spice.wire import (
    CHANNELS,
    COMMON,
    MINI_HEADER,
    Channel,
    Code,
    Handshake,
    Link,
    SpiceError,
    link,
    read_link,
    read_reply,
    refusal,
    reply,
    result,
)

__all__ = [
    'CHANNELS',
    'COMMON',
    'MINI_HEADER',
    'TICKET',
    'VIEW_CHANNELS',
    'Channel',
    'Code',
    'Filter',
    'Handshake',
    'Key',
    'Link',
    'LogIn',
    'SpiceError',
    'channel_filter',
    'encrypt',
    'link',
    'log_in',
    'read_link',
    'read_reply',
    'receive',
    'refusal',
    'reply',
    'result',
]
