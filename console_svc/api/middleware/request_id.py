# SPDX-License-Identifier: Apache-2.0

"""The id of a request, in its environ and its response."""

import re
from collections.abc import Iterable
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from oslo_context import context
from oslo_middleware import request_id

from console_svc.context import RequestContext

#: The header of oslo.middleware, and the compute API's older one.
HEADERS: Final = (
    request_id.HTTP_RESP_HEADER_REQUEST_ID,
    'x-compute-request-id',
)

#: The header with the caller's own id.
INBOUND: Final = 'X-OpenStack-Request-ID'

_KEY: Final = 'HTTP_X_OPENSTACK_REQUEST_ID'
_ID: Final = re.compile(request_id.ID_FORMAT)


class RequestId:
    """Does what oslo.middleware's RequestId does, without WebOb.

    That one makes a request and a response object to add two headers, which
    takes a tenth of a look-up.

    The context that it makes gives log lines the ids of the request before
    authentication.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        inbound = environ.get(_KEY)
        if inbound and _ID.fullmatch(inbound):
            environ[request_id.GLOBAL_REQ_ID] = inbound
        own = context.generate_request_id()
        environ[request_id.ENV_REQUEST_ID] = own
        RequestContext(
            request_id=own,
            global_request_id=environ.get(request_id.GLOBAL_REQ_ID),
        )

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Any:
            headers += [(name, own) for name in HEADERS]
            return start_response(status, headers, exc_info)

        return self._app(environ, start)
