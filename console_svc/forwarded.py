# SPDX-License-Identifier: Apache-2.0

"""The headers of load balancers: X-Forwarded-* and Forwarded (RFC 7239).

Each trusted load balancer adds one element at the end, or replaces the
header. Elements before those can be forged by the client.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from console_svc import addresses

# An address with a port. A bare IPv6 address has none, as it would be
# ambiguous.
_WITH_PORT: Final = re.compile(r'(?:\[([^\]]*)\]|([0-9.]+))(?::\w*)?')

# A name or an address, with or without a port (RFC 3986, section 3.2).
_HOST: Final = re.compile(
    r'(?:[0-9A-Za-z._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?'
)

# Segments of unreserved characters (RFC 3986, section 2.3).
_PREFIX: Final = re.compile(r'(?:/[0-9A-Za-z._~-]+){1,16}/?')

_SCHEMES: Final[Mapping[str, str]] = {
    'http': 'http',
    'ws': 'http',
    'https': 'https',
    'wss': 'https',
}


def client_address(lines: Iterable[str], hops: int) -> str | None:
    """The client's address in X-Forwarded-For; None if it has none.

    An element is an IP address, alone or with a port, such as 192.0.2.7:51512
    and [2001:db8::7]:4711. Others, such as ``unknown`` and ``_hidden``
    (RFC 7239, section 6), are not replaced by an earlier element, because
    that could be forged.

    :param lines: the values of all header lines of this name, in order
    :param hops: number of trusted load balancers
    :returns: without port, brackets and zone; an IPv4-mapped address as IPv4
    """
    element = _element(lines, hops).strip('"')
    found = _WITH_PORT.fullmatch(element)
    return addresses.find(found[1] or found[2] if found else element)


def scheme(lines: Iterable[str], hops: int) -> str | None:
    """The scheme in X-Forwarded-Proto: http, https, or None if it has neither.

    :param lines: the values of all header lines of this name, in order
    :param hops: number of trusted load balancers
    """
    return _SCHEMES.get(_element(lines, hops).strip('"').lower())


def host(lines: Iterable[str], hops: int) -> str | None:
    """The host in X-Forwarded-Host; None if it is not a valid one.

    :param lines: the values of all header lines of this name, in order
    :param hops: number of trusted load balancers
    """
    element = _element(lines, hops).strip('"')
    return element if _HOST.fullmatch(element) else None


def prefix(lines: Iterable[str], hops: int) -> str | None:
    """The path in X-Forwarded-Prefix; None if it is not a valid one.

    :param lines: the values of all header lines of this name, in order
    :param hops: number of trusted load balancers
    :returns: without a slash at the end
    """
    element = _element(lines, hops)
    return element.rstrip('/') if _PREFIX.fullmatch(element) else None


def parameters(lines: Iterable[str], hops: int) -> Mapping[str, str]:
    """The parameters of an element of Forwarded, such as for and proto.

    Commas in quoted values are not supported: no load balancer writes them,
    and an opening quote from a client must not hide the elements after it.

    :param lines: the values of all header lines of this name, in order
    :param hops: number of trusted load balancers
    :returns: lower-case name -> value, for the functions above
    """
    pairs = (it.partition('=') for it in _element(lines, hops).split(';'))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _element(lines: Iterable[str], hops: int) -> str:
    """The element of the first trusted load balancer; '' if there is none.

    If there are fewer elements than load balancers, it is the first element.
    Empty elements do not count (RFC 9110, section 5.6.1.2).
    """
    elements = [it.strip() for it in ','.join(lines).split(',')]
    return next(iter([it for it in elements if it][-hops:]), '')
