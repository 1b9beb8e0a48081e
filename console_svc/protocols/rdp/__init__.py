# SPDX-License-Identifier: Apache-2.0

"""RDP consoles in browsers, by RDCleanPath: the proxy's part of a connection.

The browser's client, IronRDP, has neither TCP nor TLS. It sends one request
with its X.224 connection request. The proxy connects to the RDP server, starts
TLS, and answers with the server's X.224 confirm and certificates. The rest of
the connection is inside TLS, and is relayed.

As those of RFB, the handshakes are generators without I/O. :class:`Filter` is
for what the client sends afterwards.
"""

from console_svc.protocols.rdp.cutting import Cutter
from console_svc.protocols.rdp.input_filter import Filter
from console_svc.protocols.rdp.rdcleanpath import (
    receive_request,
    refusal,
    response,
)
from console_svc.protocols.rdp.server import connect
from console_svc.protocols.rdp.wire import (
    NegotiationError,
    RDPError,
    is_identifier,
    selects_credssp,
)

__all__ = [
    'Cutter',
    'Filter',
    'NegotiationError',
    'RDPError',
    'connect',
    'is_identifier',
    'receive_request',
    'refusal',
    'response',
    'selects_credssp',
]
