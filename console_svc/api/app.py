# SPDX-License-Identifier: Apache-2.0

"""Assembly of the API. Read this first: it is the way of every request."""

import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import keystonemiddleware.opts
import pecan.core
from keystonemiddleware import auth_token
from oslo_config import cfg
from oslo_middleware import cors, http_proxy_to_wsgi, sizelimit

from console_svc import exception
from console_svc.api import healthcheck, microversion, operation
from console_svc.api.controllers.base import Resource
from console_svc.api.controllers.root import RootController
from console_svc.api.middleware.auth_cache import AuthCache, CallerCache
from console_svc.api.middleware.branch import (
    Branch,
    has_no_body,
    is_public,
)
from console_svc.api.middleware.context import Context
from console_svc.api.middleware.faults import Faults
from console_svc.api.middleware.first_request import FirstRequest
from console_svc.api.middleware.measured import RESOURCE, Measured
from console_svc.api.middleware.microversion import Microversion
from console_svc.api.middleware.noauth2 import NoAuth2
from console_svc.api.middleware.request_id import RequestId
from console_svc.api.middleware.request_log import RequestLog
from console_svc.api.openapi import document
from console_svc.api.request import Request
from console_svc.services import Services

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from console_svc.api.metrics import Metrics


# Where auth_token's own defaults don't suit this service.
_AUTH_TOKEN_DEFAULTS: Final = {
    # It would wait for ever: one keystone that hangs would take every thread.
    'http_connect_timeout': 10,
    # What access rules of application credentials call this API. They need the
    # catalogue, too: include_service_catalog must stay on.
    'service_type': microversion.SERVICE_TYPE,
}


def build(conf: cfg.ConfigOpts) -> 'WSGIApplication':
    """The API as a WSGI application."""
    figures = _metrics(conf)
    services = Services(
        conf,
        conf.api.database_timeout,
        figures.event if figures else None,
    )
    services.load()
    services.openapi = functools.cache(
        lambda: document.render(RootController, conf)
    )

    # A request meets these from the last line to the first, its answer from
    # the first to the last. Faults stands on both sides of authentication:
    # inside, as auth_token adds WWW-Authenticate to a 401 of ours; outside,
    # for what the middleware itself refuses.
    app: Any = Application(RootController(services))
    app = Faults(app, conf)
    app = Branch(is_public, app, authentication(conf, app))
    limited = sizelimit.RequestBodySizeLimiter(app, conf)
    app = Branch(has_no_body, app, limited)
    app = Faults(app, conf)
    app = Microversion(app)
    if conf.cors.allowed_origin:
        app = cors.CORS(app, conf)
    app = RequestLog(app)
    app = RequestId(app)
    if figures:
        app = Measured(app, figures.answered)
    if conf.oslo_middleware.enable_proxy_headers_parsing:
        app = http_proxy_to_wsgi.HTTPProxyToWSGI(app, conf)
    if conf.consoleauth.purge_interval:
        app = FirstRequest(app, services.purge.start)
    if figures:
        app = figures.beside(app, conf)
    return healthcheck.beside(app, conf, services.database)


def _metrics(conf: cfg.ConfigOpts) -> 'Metrics | None':
    """Where the figures are kept, if anybody wants them."""
    directory = conf.metrics.directory
    if not directory:
        return None
    os.makedirs(directory, exist_ok=True)
    # prometheus_client wants to know when it is imported.
    os.environ['PROMETHEUS_MULTIPROC_DIR'] = directory
    from console_svc.api.metrics import Metrics

    return Metrics()


def authentication(
    conf: cfg.ConfigOpts, app: 'WSGIApplication'
) -> 'WSGIApplication':
    """The middleware that says who is asking."""
    if conf.api.auth_strategy == 'noauth2':
        return NoAuth2(Context(app))
    for group, options in keystonemiddleware.opts.list_auth_token_opts():
        conf.register_opts(options, group)
    for name, default in _AUTH_TOKEN_DEFAULTS.items():
        conf.set_default(name, default, 'keystone_authtoken')
    callers = CallerCache(
        # Who has auth_token cache nothing wants nothing cached.
        min(
            conf.api.remember_callers,
            max(0, conf.keystone_authtoken.token_cache_time),
        )
    )
    middleware = auth_token.AuthProtocol(
        Context(callers.remembering(app)), {'oslo_config_config': conf}
    )
    return AuthCache(callers, middleware, app)


class Application(pecan.core.ExplicitPecan):  # type: ignore[misc]
    """Pecan, routing by path and method alone.

    Pecan also guesses content types by suffix, negotiates them, reads query
    and body into arguments and walks attributes by their names. The compute
    API does none of these: it answers JSON whatever is accepted, and a
    controller reads a body where there is one to read.
    """

    def __init__(self, root: Resource) -> None:
        super().__init__(root, request_cls=Request)

    def route(self, req: Request, node: Resource, path: str) -> Resource:
        """The resource of a path: one segment, one ``_lookup``.

        :raises console_svc.exception.NotFound: there is none
        """
        *folders, last = path.split('/')[1:] or ['']
        for segment in filter(None, folders):
            node = node._lookup(segment, req)
        return node._lookup(last, req)

    def find_controller(
        self, state: Any
    ) -> tuple[Any, list[Any], dict[str, Any]]:
        """The function that answers a request, and its arguments.

        :raises console_svc.exception.NotFound: nothing has this path
        :raises console_svc.exception.MethodNotAllowed: but not this way
        """
        req = state.request
        try:
            path = req.path_info
        except UnicodeDecodeError:
            raise exception.NotFound from None
        resource = self.route(req, self.root, path)
        if resource.index is None:
            raise exception.NotFound
        req.environ[RESOURCE] = type(resource)
        handlers = resource.index._pecan['generic_handlers']
        method = 'GET' if req.method == 'HEAD' else req.method
        state.controller = handlers.get(method, handlers['DEFAULT'])
        described = operation.of(state.controller)
        if described:
            if described.extension and not resource.has_extensions():
                raise exception.NotFound
            state.response.status_int = described.status
        return state.controller, [resource, req, state.response], {}

    def invoke_controller(
        self,
        controller: Callable[..., Any],
        args: list[Any],
        kwargs: dict[str, Any],
        state: Any,
    ) -> None:
        """Call the function, and render what it returns.

        Pecan would drop arguments of the query that the function doesn't
        take, for which it looks into its signature each time; find_controller
        passes none.
        """
        result = controller(*args)
        state.response.content_type = 'application/json'
        if result is not None:
            state.response.text = self.render('json', result)

    def _handle_empty_response_body(self, state: Any) -> None:
        """Leave the status alone: an empty 200 is no 204 here."""
