# SPDX-License-Identifier: Apache-2.0

"""RFB handshakes (RFC 6143, RFB 3.3 to 3.8), of clients and of servers.

Peers that announce RFB 4 or 5 are taken for 3.8.

They do no I/O. A handshake is a generator that yields its next step
(:class:`Read`, :class:`Write`, :class:`StartTLS`, :class:`Respond`) and is
sent the result, so the same code serves blocking sockets and asyncio.
:class:`Filter` is for what a client sends afterwards.
"""

from console_svc.protocols.rfb.client import (
    disconnect_others,
    is_protected,
    log_in,
    result,
    security_types,
    vencrypt_subtypes,
)
from console_svc.protocols.rfb.input_filter import Filter
from console_svc.protocols.rfb.input_reader import InputReader
from console_svc.protocols.rfb.password import generate_password
from console_svc.protocols.rfb.recorded import NotRecordable, Recorded
from console_svc.protocols.rfb.server import (
    Credentials,
    ask,
    offer,
    receive,
    refuse,
    reject,
    shared_flag,
    welcome,
)
from console_svc.protocols.rfb.wire import (
    CHALLENGE,
    NONE,
    VENCRYPT,
    VNC,
    X509_NONE,
    X509_PLAIN,
    X509_VNC,
    XVP,
    Handshake,
    Respond,
    RFBError,
    response,
)
from console_svc.protocols.steps import Read, StartTLS, Write

__all__ = [
    'CHALLENGE',
    'NONE',
    'VENCRYPT',
    'VNC',
    'X509_NONE',
    'X509_PLAIN',
    'X509_VNC',
    'XVP',
    'Credentials',
    'Filter',
    'Handshake',
    'InputReader',
    'NotRecordable',
    'RFBError',
    'Read',
    'Recorded',
    'Respond',
    'StartTLS',
    'Write',
    'ask',
    'disconnect_others',
    'generate_password',
    'is_protected',
    'log_in',
    'offer',
    'receive',
    'refuse',
    'reject',
    'response',
    'result',
    'security_types',
    'shared_flag',
    'vencrypt_subtypes',
    'welcome',
]
