# SPDX-License-Identifier: Apache-2.0

"""The RequestContext of a request, from its identity headers."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from console_svc import addresses, exception
from console_svc.api.request import CALLER
from console_svc.context import RequestContext


class Unscoped(exception.Forbidden):
    """The keystone token is not scoped to a project."""

    message = 'The token has no scope. Use a token for a project.'


class Context:
    """Makes the context that controllers and log lines use.

    :raises console_svc.exception.NotAuthenticated: auth_token has passed on a
        request that it did not authenticate, as with delay_auth_decision
    :raises Unscoped: the token has no scope, so it
        allows nothing
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        if environ.get('HTTP_X_IDENTITY_STATUS') != 'Confirmed':
            raise exception.NotAuthenticated
        context = RequestContext.from_environ(
            environ,
            client_address=addresses.find(environ.get('REMOTE_ADDR')),
            has_access_rules=_has_access_rules(environ),
        )
        if not context.has_scope:
            raise Unscoped
        environ[CALLER] = context
        return self._app(environ, start_response)


def _has_access_rules(environ: WSGIEnvironment) -> bool:
    """Whether auth_token has checked the request with access rules."""
    info = environ.get('keystone.token_info')
    if info is None:
        return False
    credential = info.get('token', {}).get('application_credential') or {}
    return credential.get('access_rules') is not None
