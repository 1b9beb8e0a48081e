# SPDX-License-Identifier: Apache-2.0

"""The microversions, and their range.

Numbers and meanings are the compute API's. Only those that change something
here have a name.
"""

import re
from collections.abc import Mapping, MutableMapping
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

_FORMAT = re.compile(r'[1-9][0-9]*\.(0|[1-9][0-9]*)')


def requested(environ: MutableMapping[str, Any]) -> Version:
    """The version that a request names; by default 2.1.

    :raises console_svc.exception.InvalidVersion: it is malformed
    :raises console_svc.exception.UnsupportedVersion: it is out of range
    """
    text = microversion_parse.get_version(
        microversion_parse.headers_from_wsgi_environ(environ),
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
