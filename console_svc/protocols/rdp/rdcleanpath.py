# SPDX-License-Identifier: Apache-2.0

"""RDCleanPath: the messages between a browser and the proxy.

They are DER, and follow IronRDP's crate ``ironrdp-rdcleanpath``. Of a request
only the X.224 PDU is used: the console token says where to connect.
"""

from collections.abc import Generator, Sequence
from typing import Final

from asn1crypto import core

from console_svc.protocols.rdp.wire import RDPError, check_request
from console_svc.protocols.steps import Read

# A response has the server's address, but clients have no use for it: the
# internal one stays secret.
_NO_ADDRESS: Final = '0.0.0.0:3389'

_VERSION: Final = 3390

# Codes of errors: any; and an X.224 confirm without TLS, which is included.
_GENERAL: Final = 1
_NEGOTIATION: Final = 2

# Most bytes of a request. It has some 120, without a token for the proxy.
_LONGEST_REQUEST: Final = 8192

# DER: the tag of a SEQUENCE; lengths above this are the number of bytes that
# have the length; the most that the longest request needs.
_SEQUENCE: Final = 0x30
_LONG_FORM: Final = 0x80
_LENGTH_BYTES: Final = 2


class _Error(core.Sequence):
    _fields = [
        ('error_code', core.Integer, {'explicit': 0}),
        ('http_status_code', core.Integer, {'explicit': 1, 'optional': True}),
        ('wsa_last_error', core.Integer, {'explicit': 2, 'optional': True}),
        ('tls_alert_code', core.Integer, {'explicit': 3, 'optional': True}),
    ]


class _Certificates(core.SequenceOf):
    _child_spec = core.OctetString


class _PDU(core.Sequence):
    _fields = [
        ('version', core.Integer, {'explicit': 0}),
        ('error', _Error, {'explicit': 1, 'optional': True}),
        ('destination', core.UTF8String, {'explicit': 2, 'optional': True}),
        ('proxy_auth', core.UTF8String, {'explicit': 3, 'optional': True}),
        ('server_auth', core.UTF8String, {'explicit': 4, 'optional': True}),
        ('preconnection', core.UTF8String, {'explicit': 5, 'optional': True}),
        ('x224', core.OctetString, {'explicit': 6, 'optional': True}),
        ('certificates', _Certificates, {'explicit': 7, 'optional': True}),
        ('server_addr', core.UTF8String, {'explicit': 9, 'optional': True}),
    ]


def receive_request() -> Generator[Read, bytes, bytes | None]:
    """Read the request of a browser.

    :returns: its X.224 request; None: it has none, as with Hyper-V
    :raises RDPError: it is not a request, or too long
    """
    head = yield Read(2)
    if head[0] != _SEQUENCE or head[1] == _LONG_FORM:
        raise RDPError('this is not RDCleanPath')
    length = head[1]
    if length > _LONG_FORM:
        number = length - _LONG_FORM
        if number > _LENGTH_BYTES:
            raise RDPError('an RDCleanPath request is too long')
        more = yield Read(number)
        head, length = head + more, int.from_bytes(more)
    if length > _LONGEST_REQUEST:
        raise RDPError('an RDCleanPath request is too long')
    return _x224(head + (yield Read(length)))


def _x224(data: bytes) -> bytes | None:
    """The X.224 request in an RDCleanPath request."""
    try:
        pdu = _PDU.load(data, strict=True)
        # asn1crypto is lazy: other members are not parsed.
        version, request = pdu['version'].native, pdu['x224'].native
    except (ValueError, TypeError):
        raise RDPError('an RDCleanPath request is malformed') from None
    if version != _VERSION:
        raise RDPError('RDCleanPath has another version')
    if request is None:
        return None
    check_request(request)
    return bytes(request)


def response(confirm: bytes | None, certificates: Sequence[bytes]) -> bytes:
    """The answer to a request.

    :param confirm: the RDP server's X.224 confirm; None: there was no request
    :param certificates: the server's certificate and what follows it, in DER
    """
    return _dump(
        certificates=list(certificates),
        server_addr=_NO_ADDRESS,
        **_present(x224=confirm),
    )


def refusal(status: int, confirm: bytes | None = None) -> bytes:
    """The answer to a request that fails.

    :param status: the nearest status of HTTP
    :param confirm: the RDP server's X.224 confirm, if it refuses TLS
    """
    if confirm is not None:
        return _dump(error={'error_code': _NEGOTIATION}, x224=confirm)
    return _dump(error={'error_code': _GENERAL, 'http_status_code': status})


def _present(**members: bytes | None) -> dict[str, bytes]:
    return {name: it for name, it in members.items() if it is not None}


def _dump(**members: object) -> bytes:
    return bytes(_PDU({'version': _VERSION, **members}).dump())
