# SPDX-License-Identifier: Apache-2.0

"""Every request has an id, and so has its answer."""

import re
from collections.abc import Iterable
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from oslo_context import context
from oslo_middleware import request_id

#: oslo.middleware's, and the compute API's older name for it.
HEADERS: Final = (
    request_id.HTTP_RESP_HEADER_REQUEST_ID,
    'x-compute-request-id',
)

#: Where callers say their own.
INBOUND: Final = 'X-OpenStack-Request-ID'

_KEY: Final = 'HTTP_X_OPENSTACK_REQUEST_ID'


class RequestId:
    """What oslo.middleware's RequestId does, without its objects.

    That makes a request and a response of WebOb's to add two headers, which
    took a tenth of a look-up.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        inbound = environ.get(_KEY, '')
        if re.match(request_id.ID_FORMAT, inbound):
            environ[request_id.GLOBAL_REQ_ID] = inbound
        own = context.generate_request_id()
        environ[request_id.ENV_REQUEST_ID] = own

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Any:
            headers += [(name, own) for name in HEADERS]
            return start_response(status, headers, exc_info)

        return self._app(environ, start)
