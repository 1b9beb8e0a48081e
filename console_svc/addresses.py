# SPDX-License-Identifier: Apache-2.0

"""Addresses of clients, whichever way a listener sees them."""

import ipaddress


def parse(
    text: str | None,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address in its shortest form.

    A dual-stack listener sees ::ffff:192.0.2.1 for 192.0.2.1 (RFC 4291).

    :raises ValueError: the text is none
    """
    address = ipaddress.ip_address(text or '')
    return getattr(address, 'ipv4_mapped', None) or address


def same(one: str | None, other: str | None) -> bool:
    """Whether two texts are the same address; no address is none."""
    try:
        return parse(one) == parse(other)
    except ValueError:
        return False
