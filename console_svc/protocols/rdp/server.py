# SPDX-License-Identifier: Apache-2.0

"""The client's side of RDP up to TLS, towards an RDP server."""

from collections.abc import Generator

from console_svc.protocols.rdp.wire import (
    TPKT_HEADER,
    check_confirm,
    preconnection,
    x224_length,
)
from console_svc.protocols.steps import Read, StartTLS, Write


def connect(
    request: bytes | None, identifier: str | None
) -> Generator[Read | Write | StartTLS, bytes, bytes | None]:
    """Connect up to TLS.

    :param request: the client's X.224 request; None: TLS starts at once, and
        X.224 follows inside, as Hyper-V's VMConnect does
    :param identifier: for a preconnection PDU, sent first; None: there is none
    :returns: the server's X.224 confirm; None without a request
    :raises console_svc.protocols.rdp.NegotiationError: the server does not
        agree on TLS
    :raises console_svc.protocols.rdp.RDPError: it does not speak RDP
    """
    if identifier is not None:
        yield Write(preconnection(identifier))
    confirm = None
    if request is not None:
        yield Write(request)
        header = yield Read(TPKT_HEADER)
        confirm = header + (yield Read(x224_length(header) - TPKT_HEADER))
        check_confirm(confirm)
    yield StartTLS()
    return confirm
