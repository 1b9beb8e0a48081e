# SPDX-License-Identifier: Apache-2.0

"""Metrics of the API, and /metrics, where Prometheus reads them.

They are those of all API processes of a host. This module is imported where
``[metrics] directory`` is set, and only there.
"""

import ipaddress
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import prometheus_client
from oslo_config import cfg

from console_svc import addresses, prometheus
from console_svc.api.middleware.branch import Branch
from console_svc.api.request import RESOURCE

PATH: Final = '/metrics'

#: Seconds: a look-up takes two milliseconds, a driver that does not answer
#: its time-out.
BUCKETS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1, 2.5, 5, 10, 30),
)

# Methods with a label of their own. A client can send any word, and each
# label is kept for ever.
_METHODS: Final = frozenset({'GET', 'POST', 'PUT', 'DELETE', 'OPTIONS'})
_OTHER: Final = 'other'

# A request with any of these has come through a proxy.
_FORWARDED: Final = ('HTTP_FORWARDED', 'HTTP_VIA', 'HTTP_X_REAL_IP')


class Metrics:
    """The metrics of this process."""

    def __init__(self) -> None:
        registry = prometheus_client.CollectorRegistry()
        self._requests = prometheus_client.Counter(
            'console_svc_api_requests',
            'Requests answered.',
            ['method', 'route', 'status'],
            registry=registry,
        )
        self._seconds = prometheus_client.Histogram(
            'console_svc_api_request_seconds',
            'Seconds from a request to its response.',
            ['method', 'route'],
            buckets=BUCKETS,
            registry=registry,
        )
        self._events = prometheus_client.Counter(
            'console_svc_api_events',
            'Events of the audit, and successful token look-ups.',
            ['event', 'outcome'],
            registry=registry,
        )
        self._unexpected = prometheus_client.Counter(
            'console_svc_api_unexpected_errors',
            'Exceptions of background threads that nothing expects, logged '
            'with a traceback.',
            ['where'],
            registry=registry,
        )
        self._policy = prometheus_client.Gauge(
            'console_svc_api_policy_files_unusable',
            '1: the policy files are invalid or missing, and the last good '
            'rules stay in force.',
            registry=registry,
            # Each process reads the same files.
            multiprocess_mode='mostrecent',
        )

    def answered(
        self, method: str, route: str, status: str, seconds: float
    ) -> None:
        """Count a request.

        :param route: its path, with the names of ids in their place
        :param status: three digits
        """
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(method, route).observe(seconds)

    def event(self, name: str, outcome: str) -> None:
        """Count an event of :mod:`console_svc.audit`."""
        self._events.labels(name, outcome).inc()

    def unexpected(self, where: str) -> None:
        """Count an unexpected exception of a background thread."""
        self._unexpected.labels(where).inc()

    def policy_reloaded(self, succeeded: bool) -> None:
        """Note whether the rules of the policy files are in force."""
        self._policy.set(0 if succeeded else 1)

    def measured(
        self, app: WSGIApplication, routes: Mapping[Any, str]
    ) -> WSGIApplication:
        """The API, with each of its requests counted.

        :param routes: the labels of the classes of resources
        """

        def measure(
            environ: WSGIEnvironment, start_response: StartResponse
        ) -> Iterable[bytes]:
            started = time.perf_counter()

            def start(
                status: str,
                headers: list[tuple[str, str]],
                exc_info: Any = None,
            ) -> Any:
                self.answered(
                    _method(environ['REQUEST_METHOD']),
                    # No resource: the path is unknown, or middleware has
                    # refused the request.
                    routes.get(environ.get(RESOURCE), _OTHER),
                    status[:3],
                    time.perf_counter() - started,
                )
                return start_response(status, headers, exc_info)

            return app(environ, start)

        return measure

    @staticmethod
    def beside(app: WSGIApplication, conf: cfg.ConfigOpts) -> WSGIApplication:
        """The API, with /metrics for the sources that may read it."""
        return Branch(_may_read(conf.metrics.allowed_sources), _answer, app)


def _method(name: str) -> str:
    if name == 'HEAD':
        return 'GET'
    return name if name in _METHODS else _OTHER


def _may_read(
    sources: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network],
) -> Callable[[WSGIEnvironment], bool]:
    def may_read(environ: WSGIEnvironment) -> bool:
        if environ.get('PATH_INFO') != PATH or any(
            name.startswith('HTTP_X_FORWARDED') or name in _FORWARDED
            for name in environ
        ):
            return False
        try:
            address = addresses.parse(environ.get('REMOTE_ADDR'))
        except ValueError:
            return False
        return any(address in source for source in sources)

    return may_read


def _answer(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    body = prometheus.text()
    start_response(
        '200 OK',
        [
            ('Content-Type', prometheus_client.CONTENT_TYPE_LATEST),
            ('Content-Length', str(len(body))),
        ],
    )
    return [] if environ['REQUEST_METHOD'] == 'HEAD' else [body]
