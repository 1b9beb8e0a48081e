# SPDX-License-Identifier: Apache-2.0

"""IP addresses of clients."""

import functools
import ipaddress
from typing import Final

# No address is longer, even with a port or a zone. It bounds the caches, whose
# keys come from clients.
_LONGEST: Final = 80


def parse(
    text: str | None,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Parse an address; an IPv4-mapped IPv6 address becomes an IPv4 one.

    A dual-stack listener sees ::ffff:192.0.2.1 for 192.0.2.1 (RFC 4291,
    section 2.5.5.2). A zone is dropped: it has a meaning on one host only
    (RFC 4007, section 6).

    :raises ValueError: the text is not an address
    """
    address = ipaddress.ip_address((text or '').partition('%')[0])
    return getattr(address, 'ipv4_mapped', None) or address


def canonical(text: str) -> str:
    """The usual form of an address; an invalid one stays as it is."""
    try:
        return str(parse(text))
    except ValueError:
        return text


def find(text: str | None) -> str | None:
    """The usual form of an address; None if the text is not an address.

    :returns: at most 39 characters
    """
    if not text or len(text) > _LONGEST:
        return None
    return _find(text)


@functools.lru_cache(maxsize=1024)
def _find(text: str) -> str | None:
    try:
        return str(parse(text))
    except ValueError:
        return None


def same(one: str | None, other: str | None) -> bool:
    """Whether two texts are the same address; an invalid one never is."""
    try:
        return parse(one) == parse(other)
    except ValueError:
        return False


def network(text: str | None) -> str:
    """The network that one user is likely to have for itself.

    An IPv6 user usually has a /64 (RFC 6177, BCP 157), and each of its
    addresses at will. An IPv4 address stands for itself.

    :returns: '' for a text that is not an address
    """
    if not text or len(text) > _LONGEST:
        return ''
    return _network(text)


@functools.lru_cache(maxsize=1024)
def _network(text: str) -> str:
    try:
        address = parse(text)
    except ValueError:
        return ''
    length = 64 if address.version == 6 else 32
    return str(ipaddress.ip_network(f'{address}/{length}', strict=False))
