# SPDX-License-Identifier: Apache-2.0

"""The microversions: the only place that knows the range.

Numbers and meanings are the compute API's. Most change nothing here; those
that do have a name.
"""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import microversion_parse

from console_svc import exception

SERVICE_TYPE: Final = 'compute'
STANDARD_HEADER: Final = 'OpenStack-API-Version'
LEGACY_HEADER: Final = 'X-OpenStack-Nova-API-Version'

#: Where a request's environ holds its version, or the error that is in it.
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

#: What can be asked for.
SUPPORTED: Final[Mapping[str, Version]] = {
    f'2.{minor}': Version(2, minor)
    for minor in range(MIN.minor, MAX.minor + 1)
} | {'latest': MAX}

_FORMAT = re.compile(r'[1-9][0-9]*\.(0|[1-9][0-9]*)')


def requested(environ: MutableMapping[str, Any]) -> Version:
    """The version that a request asks for; 2.1 where it names none.

    :param environ: WSGI's
    :raises console_svc.exception.InvalidVersion: it is no version
    :raises console_svc.exception.UnsupportedVersion: it is none of ours
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
