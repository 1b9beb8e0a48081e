# SPDX-License-Identifier: Apache-2.0

"""Bodies of the version documents: / and /v2.1."""

from typing import Any, Final

from console_svc.api import microversion
from console_svc.api.bodies.schema import TEXT, URI, list_of, one_of, record
from console_svc.api.operation import Form

# When this API was last changed.
_UPDATED: Final = '2026-11-25T00:00:00Z'
_MEDIA_TYPE: Final = 'application/vnd.openstack.compute+json;version=2.1'

_VERSION: Final[dict[str, Any]] = {
    'id': TEXT,
    'status': one_of('CURRENT'),
    'version': TEXT,
    'min_version': TEXT,
    'updated': {'type': 'string', 'format': 'date-time'},
    'links': list_of(record(rel=TEXT, href=URI)),
}
_MEDIA_TYPES: Final = list_of(record(base=TEXT, type=TEXT))

LISTED: Final = (Form(record(versions=list_of(record(**_VERSION)))),)
SHOWN: Final = (
    Form(record(version=record(**_VERSION, **{'media-types': _MEDIA_TYPES}))),
)


def listed(base_url: str) -> dict[str, Any]:
    """The root document.

    :param base_url: of the application, without a trailing slash
    """
    return {'versions': [_version(base_url)]}


def shown(base_url: str) -> dict[str, Any]:
    """The document of v2.1."""
    media_type = {'base': 'application/json', 'type': _MEDIA_TYPE}
    return {'version': {**_version(base_url), 'media-types': [media_type]}}


def _version(base_url: str) -> dict[str, Any]:
    return {
        'id': 'v2.1',
        'status': 'CURRENT',
        'version': str(microversion.MAX),
        'min_version': str(microversion.MIN),
        'updated': _UPDATED,
        'links': [{'rel': 'self', 'href': f'{base_url}/v2.1/'}],
    }
