# SPDX-License-Identifier: Apache-2.0

"""Assembly of the API. Read this first: it is the way of every request."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from wsgiref.types import WSGIApplication

import keystonemiddleware.opts
import pecan.core
from keystoneauth1.session import Session
from keystonemiddleware import auth_token
from oslo_config import cfg
from oslo_middleware import cors, sizelimit

from console_svc import background, exception, rest_client
from console_svc.api import (
    healthcheck,
    microversion,
    operation,
    routes,
    token_cache,
)
from console_svc.api.controllers.base import Resource
from console_svc.api.controllers.root import RootController
from console_svc.api.middleware.auth_cache import AuthCache, CallerCache
from console_svc.api.middleware.branch import (
    Branch,
    is_public,
    is_small,
)
from console_svc.api.middleware.context import Context
from console_svc.api.middleware.faults import Faults
from console_svc.api.middleware.first_request import FirstRequest
from console_svc.api.middleware.forwarded import Forwarded
from console_svc.api.middleware.microversion import Microversion
from console_svc.api.middleware.noauth2 import NoAuth2
from console_svc.api.middleware.request_id import RequestId
from console_svc.api.middleware.request_log import RequestLog
from console_svc.api.request import FREQUENT, RESOURCE, Request
from console_svc.services import Services

if TYPE_CHECKING:
    # Not at run time: see _metrics.
    from console_svc.api.metrics import Metrics

Middleware = Callable[[WSGIApplication], WSGIApplication]

# Where auth_token's own defaults don't suit this service.
_AUTH_TOKEN_DEFAULTS: Final = {
    # By default it waits for ever: a keystone that hangs would block every
    # thread.
    'http_connect_timeout': 10,
    # The service whose requests the access rules of application credentials
    # name. They are read from the catalogue: include_service_catalog must
    # stay on.
    'service_type': microversion.SERVICE_TYPE,
}


def build(conf: cfg.ConfigOpts) -> WSGIApplication:
    """The API as a WSGI application."""
    metrics = _metrics(conf)
    services = Services(
        conf,
        conf.api.database_timeout,
        metrics.event if metrics else None,
        failed=metrics.unexpected if metrics else background.ignore,
        policy_reloaded=metrics.policy_reloaded if metrics else None,
    )
    services.load()
    app: WSGIApplication = Application(RootController(services))
    for wrap in reversed([*_middleware(conf, services, metrics)]):
        app = wrap(app)
    return app


def _middleware(
    conf: cfg.ConfigOpts, services: Services, metrics: 'Metrics | None'
) -> Iterator[Middleware]:
    """The middleware, outermost first: in the order that a request meets it.

    A response passes it in the reverse order.
    """
    # Outermost: a log line of any other has the ids of its request.
    yield RequestId
    # /healthcheck and /metrics branch off first: without authentication, and
    # neither logged nor counted.
    yield partial(healthcheck.beside, conf=conf, database=services.database)
    if metrics:
        # Outside of Forwarded: the peer's own address counts.
        yield partial(metrics.beside, conf=conf)
    if conf.consoleauth.purge_interval:
        yield partial(FirstRequest, start=services.purge.start)
    if services.recording_index:
        yield partial(FirstRequest, start=services.recording_index.start)
    if conf.oslo_middleware.enable_proxy_headers_parsing:
        # Before anything reads the client's address or the request's URL.
        yield partial(Forwarded, conf=conf)
    if metrics:
        yield partial(metrics.measured, routes=routes.labels(RootController))
    yield RequestLog
    if conf.cors.allowed_origin:
        # Before authentication: a preflight request has no token.
        yield partial(cors.CORS, conf=conf)
    # Outside of Faults: a fault, too, has the microversion headers.
    yield Microversion
    # For what the middleware below refuses.
    yield partial(Faults, conf=conf)
    yield partial(_limit_bodies, conf=conf)
    yield partial(_authenticate, conf=conf)
    # For what the application refuses. Inside of authentication: auth_token
    # adds WWW-Authenticate to every 401 that it sees.
    yield partial(Faults, conf=conf)


def _metrics(conf: cfg.ConfigOpts) -> 'Metrics | None':
    """The metrics of this process, if they are enabled."""
    directory = conf.metrics.directory
    if not directory:
        return None
    os.makedirs(directory, exist_ok=True)
    # prometheus_client reads it when it is imported.
    os.environ['PROMETHEUS_MULTIPROC_DIR'] = directory
    from console_svc.api.metrics import Metrics

    return Metrics()


def _limit_bodies(
    app: WSGIApplication, conf: cfg.ConfigOpts
) -> WSGIApplication:
    """Middleware that refuses large request bodies."""
    limited = sizelimit.RequestBodySizeLimiter(app, conf)
    limit = conf.oslo_middleware.max_request_body_size
    return Branch(partial(is_small, limit=limit), app, limited)


def _authenticate(
    app: WSGIApplication, conf: cfg.ConfigOpts
) -> WSGIApplication:
    """Middleware that identifies the caller, except for public paths."""
    if conf.api.auth_strategy == 'noauth2':
        return Branch(is_public, app, NoAuth2(Context(app)))
    for group, options in keystonemiddleware.opts.list_auth_token_opts():
        conf.register_opts(options, group)
    for name, default in _AUTH_TOKEN_DEFAULTS.items():
        conf.set_default(name, default, 'keystone_authtoken')
    callers = CallerCache(
        # Where auth_token's cache is off, ours is too.
        min(
            conf.api.remember_callers,
            max(0, conf.keystone_authtoken.token_cache_time),
        )
    )
    checked = _AuthToken(Context(callers.remembering(app)), conf)
    return Branch(is_public, app, AuthCache(callers, checked, app))


class _AuthToken(auth_token.AuthProtocol):  # type: ignore[misc]
    """auth_token, with this service's cache and ids of requests."""

    def __init__(self, app: WSGIApplication, conf: cfg.ConfigOpts) -> None:
        self._cache = token_cache.load(conf)
        super().__init__(app, {'oslo_config_config': conf})

    def process_request(self, request: Any) -> Any:
        request.environ[token_cache.KEY] = self._cache
        return super().process_request(request)

    def _create_session(self, **kwargs: Any) -> Session:
        session: Session = super()._create_session(**kwargs)
        rest_client.send_request_ids(session)
        return session


class Application(pecan.core.ExplicitPecan):  # type: ignore[misc]
    """Pecan, dispatching by path and method alone.

    Pecan also guesses content types by suffix, negotiates them, parses query
    and body into arguments and looks attributes up by segments of the path.
    The compute API does none of this: it answers in JSON whatever the client
    accepts, and a controller reads the body where there is one to read.
    """

    def __init__(self, root: Resource) -> None:
        super().__init__(root, request_cls=Request)

    def route(self, req: Request, node: Resource, path: str) -> Resource:
        """The resource of a path, found segment by segment.

        :raises console_svc.exception.NotFound: there is no such resource
        """
        *folders, last = path.split('/')[1:] or ['']
        for segment in filter(None, folders):
            node = node.child_at(segment, req)
        return node.child_at(last, req)

    def find_controller(
        self, state: Any
    ) -> tuple[Any, list[Any], dict[str, Any]]:
        """The function that answers a request, and its arguments.

        :raises console_svc.exception.NotFound: no resource has this path
        :raises console_svc.api.operation.MethodNotAllowed: the resource does
            not have this method
        """
        req = state.request
        try:
            path = req.path_info
        except UnicodeDecodeError:
            raise exception.NotFound from None
        resource = self.route(req, self.root, path)
        req.environ[RESOURCE] = type(resource)
        method = 'GET' if req.method == 'HEAD' else req.method
        handler = resource.methods.get(method)
        described = operation.of(handler)
        if described:
            if not resource.serves(described):
                raise exception.NotFound
            if described.is_frequent:
                req.environ[FREQUENT] = True
            state.response.status_int = described.status
        elif not resource.served():
            raise exception.NotFound
        elif method == 'OPTIONS':
            handler = Resource.options
        else:
            raise operation.MethodNotAllowed(req.method, resource.allowed())
        return handler, [resource, req, state.response], {}

    def invoke_controller(
        self,
        controller: Callable[..., Any],
        args: list[Any],
        kwargs: dict[str, Any],
        state: Any,
    ) -> None:
        """Call the function, and render what it returns.

        Pecan inspects the function's signature for each request, to drop
        query parameters that it does not take. There are none here.
        """
        # Before: a controller may render another type itself.
        state.response.content_type = 'application/json'
        result = controller(*args)
        if result is not None:
            state.response.text = self.render('json', result)

    def _handle_empty_response_body(self, state: Any) -> None:
        """Leave the status alone; Pecan makes an empty 200 a 204."""
