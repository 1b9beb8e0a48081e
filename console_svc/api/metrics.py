# SPDX-License-Identifier: Apache-2.0

"""/metrics, for Prometheus: what all API processes of a host have counted.

Imported where ``[metrics] directory`` is set, and only then.
"""

import ipaddress
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import prometheus_client
from oslo_config import cfg

from console_svc import addresses, prometheus
from console_svc.api.middleware.branch import Branch

if TYPE_CHECKING:
    from _typeshed.wsgi import (
        StartResponse,
        WSGIApplication,
        WSGIEnvironment,
    )

PATH: Final = '/metrics'

#: A look-up takes two milliseconds, a driver that is away its time-out.
BUCKETS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1, 2.5, 5, 10, 30),
)

# With any of these somebody stands between us and whoever asks.
_FORWARDED: Final = ('HTTP_FORWARDED', 'HTTP_VIA', 'HTTP_X_REAL_IP')


class Metrics:
    """The figures of this process, which are added to those of the others."""

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
            'From a request to its answer.',
            ['method', 'route'],
            buckets=BUCKETS,
            registry=registry,
        )
        self._events = prometheus_client.Counter(
            'console_svc_api_events',
            'What was done with tokens and sessions, or refused: the events '
            'of the audit, and look-ups that succeed.',
            ['event', 'outcome'],
            registry=registry,
        )

    def answered(
        self, method: str, route: str, status: str, seconds: float
    ) -> None:
        """A request was answered.

        :param route: the template of its path, with no id in it
        """
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(method, route).observe(seconds)

    def event(self, name: str, outcome: str) -> None:
        """An event of :mod:`console_svc.audit` has happened."""
        self._events.labels(name, outcome).inc()

    @staticmethod
    def beside(
        app: 'WSGIApplication', conf: cfg.ConfigOpts
    ) -> 'WSGIApplication':
        """The API with /metrics beside it, for those who may read it."""
        return Branch(_may_read(conf.metrics.allowed_sources), _answer, app)


def _may_read(
    sources: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network],
) -> Callable[['WSGIEnvironment'], bool]:
    def may_read(environ: 'WSGIEnvironment') -> bool:
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
    environ: 'WSGIEnvironment', start_response: 'StartResponse'
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
