# SPDX-License-Identifier: Apache-2.0

"""From identity headers to a RequestContext."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from console_svc import exception
from console_svc.api.middleware.recent import RecentCallers
from console_svc.api.request import CALLER
from console_svc.context import RequestContext

if TYPE_CHECKING:
    from _typeshed.wsgi import (
        StartResponse,
        WSGIApplication,
        WSGIEnvironment,
    )


class Context:
    """Makes the context that controllers and log lines see.

    :raises console_svc.exception.NotAuthenticated: auth_token let somebody
        pass without being sure (delay_auth_decision); this API never does
    """

    def __init__(self, app: 'WSGIApplication', callers: RecentCallers) -> None:
        self._app = app
        self._callers = callers

    def __call__(
        self, environ: 'WSGIEnvironment', start_response: 'StartResponse'
    ) -> Iterable[bytes]:
        if environ.get('HTTP_X_IDENTITY_STATUS') != 'Confirmed':
            raise exception.NotAuthenticated
        context = RequestContext.from_environ(
            environ, client_address=environ.get('REMOTE_ADDR')
        )
        self._callers.remember(environ, context)
        environ[CALLER] = context
        return self._app(environ, start_response)
