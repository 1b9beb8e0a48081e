# SPDX-License-Identifier: Apache-2.0

"""What stands before console-svc and nova in a cloud, as a WSGI module.

Console-svc's paths go there. Of nova there is what clients ask before they
ask for a console: the server.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from console_svc.tests import fixtures
from console_svc.wsgi import api

_SERVER = re.compile(r'/v2\.1/servers/([^/]+)')


def application(
    environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    """Nova's GET /servers/{server_id}, or console-svc."""
    match = _SERVER.fullmatch(environ['PATH_INFO'])
    if match is None:
        return api.application(environ, start_response)
    found = match[1] == fixtures.SERVER
    server = {'server': {'id': fixtures.SERVER, 'name': 'web-1'}}
    body = json.dumps(server if found else {'itemNotFound': {'code': 404}})
    start_response(
        '200 OK' if found else '404 Not Found',
        [('Content-Type', 'application/json')],
    )
    return [body.encode()]
