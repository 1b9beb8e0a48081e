# SPDX-License-Identifier: Apache-2.0

"""Web origins (RFC 6454): the pages that may open consoles."""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

_AUTHORITY: Final = r'(\[[^\]]*\]|[^\s/?#@:\[\]]+)(?::([0-9]{1,5}))?'
_HOST: Final = re.compile(_AUTHORITY)
_ORIGIN: Final = re.compile(f'(https?)://{_AUTHORITY}', re.IGNORECASE)
_ENTRY: Final = re.compile(f'(?:(https?)://)?{_AUTHORITY}/?', re.IGNORECASE)

_NAME: Final = re.compile(r'[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?')

_DEFAULT_PORTS: Final[Mapping[str, int]] = {'http': 80, 'https': 443}


class Origin(NamedTuple):
    """The origin of a page. Host and scheme are in lower case."""

    scheme: str
    host: str
    port: int


class AllowedOrigin(NamedTuple):
    """Origins that are allowed; None: any scheme or any port."""

    scheme: str | None
    host: str
    port: int | None

    def __str__(self) -> str:
        scheme = '' if self.scheme is None else f'{self.scheme}://'
        host = f'[{self.host}]' if ':' in self.host else self.host
        port = '' if self.port is None else f':{self.port}'
        return f'{scheme}{host}{port}'

    def matches(self, origin: Origin) -> bool:
        """Whether an origin is one of these."""
        return (
            self.host == origin.host
            and self.scheme in (None, origin.scheme)
            and self.port in (None, origin.port)
        )


def parse_allowed(text: str) -> AllowedOrigin:
    """Parse an origin as people write it in a configuration file.

    Scheme and port are optional. International names are allowed.

    :raises ValueError: it is not an origin
    """
    found = _ENTRY.fullmatch(text.strip())
    try:
        if text.count(':') > 1 and not found:
            # An IPv6 address without brackets.
            return AllowedOrigin(None, _host(f'[{text.strip()}]'), None)
        if not found or found[2].lower() == 'null':
            raise ValueError
        return AllowedOrigin(
            found[1] and found[1].lower(),
            _host(_ascii(found[2])),
            _port(found[3]),
        )
    except ValueError:
        raise ValueError(
            f'{text!r} is not an origin such as dashboard.example.org or '
            'https://dashboard.example.org:8443'
        ) from None


def is_allowed(
    origin: str, scheme: str, host: str, allowed: Iterable[AllowedOrigin]
) -> bool:
    """Whether a page may open a websocket on this server.

    Its scheme must be that of the request: a page that came without TLS could
    have been altered on its way. Its host and port must be those of the
    request, or allowed.

    :param origin: the header Origin
    :param scheme: scheme of the request, http or https
    :param host: the header Host
    """
    try:
        page = _origin(origin)
    except ValueError:
        return False
    if page.scheme != scheme:
        return False
    return page == _server(scheme, host) or any(
        entry.matches(page) for entry in allowed
    )


def _origin(text: str) -> Origin:
    """Parse the header Origin (RFC 6454, section 7).

    :raises ValueError: it is not one origin, for example ``null``
    """
    found = _ORIGIN.fullmatch(text)
    if not found:
        raise ValueError
    scheme = found[1].lower()
    port = _port(found[3]) or _DEFAULT_PORTS[scheme]
    return Origin(scheme, _host(found[2]), port)


def _server(scheme: str, host: str) -> Origin | None:
    """The origin of this server's own pages; None: Host is invalid."""
    found = _HOST.fullmatch(host)
    try:
        if not found:
            return None
        port = _port(found[2]) or _DEFAULT_PORTS[scheme]
        return Origin(scheme, _host(found[1]), port)
    except ValueError:
        return None


def _host(text: str) -> str:
    """A host in the form in which two can be compared.

    :raises ValueError: it is not a name or an address
    """
    text = text.lower()
    if text.startswith('['):
        address = ipaddress.IPv6Address(text[1:-1])
        if address.scope_id:
            raise ValueError
        return str(address)
    if text.rpartition('.')[2].isdigit():
        # Browsers take it for an address, too (WHATWG URL, section 3.5).
        return str(ipaddress.IPv4Address(text))
    if len(text) > 253 or not _NAME.fullmatch(text):
        raise ValueError
    return text


def _ascii(name: str) -> str:
    """A host name in the form in which browsers send it (RFC 5891).

    :raises ValueError: it has no such form, or one that depends on the
        version of IDNA, as for the letter ß
    """
    if name.isascii():
        return name
    encoded = name.encode('idna').decode()
    if encoded.encode().decode('idna') != name.lower():
        raise ValueError
    return encoded


def _port(text: str | None) -> int | None:
    """A port; None if there is none.

    :raises ValueError: it is out of range
    """
    if text is None:
        return None
    port = int(text)
    if not 0 < port < 65536:
        raise ValueError
    return port
