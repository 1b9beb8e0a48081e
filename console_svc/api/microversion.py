# SPDX-License-Identifier: Apache-2.0

"""The microversions, and their range.

Numbers and meanings are the compute API's. Only those that change something
here have a name.
"""

import functools
import re
from collections.abc import Mapping
from typing import Any, Final

import microversion_parse

from console_svc import exception

SERVICE_TYPE: Final = 'compute'
STANDARD_HEADER: Final = 'OpenStack-API-Version'
LEGACY_HEADER: Final = 'X-OpenStack-Nova-API-Version'

#: Where the environ has the requested version, or the error in it.
ENVIRON_KEY: Final = 'console_svc.microversion'

Version = microversion_parse.Version

MIN: Final = Version(2, 1)
#: POST /servers/{id}/remote-consoles replaces the os-get*Console actions.
REMOTE_CONSOLES: Final = Version(2, 6)
#: Protocol mks, type webmks.
WEBMKS: Final = Version(2, 8)
#: Token look-ups answer for every console type, not for rdp-html5 alone.
ALL_TOKEN_TYPES: Final = Version(2, 31)
#: Type spice-direct, tls_port in its look-up; look-ups refuse a query.
SPICE_DIRECT: Final = Version(2, 99)
MAX: Final = Version(2, 104)

#: The versions that a request can name.
SUPPORTED: Final[Mapping[str, Version]] = {
    f'2.{minor}': Version(2, minor)
    for minor in range(MIN.minor, MAX.minor + 1)
} | {'latest': MAX}

# Where the environ has the headers.
_KEYS: Final = tuple(
    f'HTTP_{name.upper().replace("-", "_")}'
    for name in (STANDARD_HEADER, LEGACY_HEADER)
)

_FORMAT = re.compile(r'[1-9][0-9]*\.(0|[1-9][0-9]*)')


def requested(environ: Mapping[str, Any]) -> Version:
    """The version that a request names; by default 2.1.

    :raises console_svc.exception.InvalidVersion: it is malformed
    :raises console_svc.exception.UnsupportedVersion: it is out of range
    """
    standard, legacy = map(environ.get, _KEYS)
    return _parse(standard, legacy)


# Clients name few versions; a header may have 64 KiB.
@functools.lru_cache(32)
def _parse(standard: str | None, legacy: str | None) -> Version:
    headers = dict(zip(_KEYS, (standard, legacy), strict=True))
    text = microversion_parse.get_version(
        {key: value for key, value in headers.items() if value is not None},
        service_type=SERVICE_TYPE,
        legacy_headers=[LEGACY_HEADER],
    )
    if not text:
        return MIN
    if text in SUPPORTED:
        return SUPPORTED[text]
    if _FORMAT.fullmatch(text):
        raise exception.UnsupportedVersion(text, str(MIN), str(MAX))
    raise exception.InvalidVersion(version=text)
