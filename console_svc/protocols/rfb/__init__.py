# SPDX-License-Identifier: Apache-2.0

"""RFB's handshakes (RFC 6143, RFB 3.3 to 3.8), for either end of a line.

They do no I/O: a handshake is a generator of what is to be done next
(:class:`Read`, :class:`Write`, :class:`StartTLS`, :class:`Respond`), and is
sent what came of it. So one text serves blocking sockets and asyncio.
"""

from console_svc.protocols.rfb.client import (
    be_alone,
    is_protected,
    log_in,
    result,
    security_types,
    vencrypt_subtypes,
)
from console_svc.protocols.rfb.password import generate_password
from console_svc.protocols.rfb.server import (
    Login,
    ask,
    offer,
    receive,
    refuse,
    turn_away,
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
    Read,
    Respond,
    RFBError,
    StartTLS,
    Write,
    response,
)

__all__ = [
    'CHALLENGE',
    'NONE',
    'VENCRYPT',
    'VNC',
    'X509_NONE',
    'X509_PLAIN',
    'X509_VNC',
    'XVP',
    'Handshake',
    'Login',
    'RFBError',
    'Read',
    'Respond',
    'StartTLS',
    'Write',
    'ask',
    'be_alone',
    'generate_password',
    'is_protected',
    'log_in',
    'offer',
    'receive',
    'refuse',
    'response',
    'result',
    'security_types',
    'turn_away',
    'vencrypt_subtypes',
    'welcome',
]
