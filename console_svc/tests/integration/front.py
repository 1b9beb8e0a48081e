# SPDX-License-Identifier: Apache-2.0

"""A WSGI application that routes requests to console-svc or a stub of nova.

The stub answers the requests that clients send before they use a console:
GET /servers and GET /servers/{server_id}.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib import parse

from console_svc.tests import fixtures
from console_svc.wsgi import api

_SERVER = re.compile(r'/v2\.1/servers(?:/([^/]+))?')

# With the members that tempest's schema requires.
_THE_SERVER: Any = {
    'id': fixtures.SERVER,
    'name': 'web-1',
    'status': 'ACTIVE',
    'OS-EXT-STS:task_state': None,
    'tenant_id': 'demo',
    'user_id': 'joe',
    'hostId': '',
    'image': '',
    'flavor': {},
    'addresses': {},
    'metadata': {},
    'links': [],
    'created': '2026-01-01T00:00:00Z',
    'updated': '2026-01-01T00:00:00Z',
}


def application(
    environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    """Answer like nova, or pass the request to console-svc."""
    match = _SERVER.fullmatch(environ['PATH_INFO'])
    if match is None:
        return api.application(environ, start_response)
    status, document = '200 OK', {}
    if match[1] is None:
        names = parse.parse_qs(environ['QUERY_STRING']).get('name')
        found = names in (None, [_THE_SERVER['name']])
        document = {'servers': [_THE_SERVER] if found else []}
    elif match[1] == fixtures.SERVER:
        document = {'server': _THE_SERVER}
    else:
        status, document = '404 Not Found', {'itemNotFound': {'code': 404}}
    start_response(status, [('Content-Type', 'application/json')])
    return [json.dumps(document).encode()]
