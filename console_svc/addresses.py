# SPDX-License-Identifier: Apache-2.0

"""IP addresses of clients."""

import ipaddress


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


def same(one: str | None, other: str | None) -> bool:
    """Whether two texts are the same address; an invalid one never is."""
    try:
        return parse(one) == parse(other)
    except ValueError:
        return False
