# SPDX-License-Identifier: Apache-2.0

"""The proxy's metrics; /healthcheck and /metrics on a local port."""

import http
import logging
import socket
from collections.abc import Callable

import prometheus_client
from websockets.asyncio import server as websockets
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from console_svc import prometheus

LOG = logging.getLogger(__name__)

# The library logs malformed requests as errors; listen() silences it.
_LIBRARY = logging.getLogger(f'{__name__}.library')


class Metrics:
    """The metrics of this worker; /metrics has the sum over all workers."""

    def __init__(self) -> None:
        registry = prometheus_client.CollectorRegistry()
        self._sessions = prometheus_client.Gauge(
            'console_svc_proxy_sessions',
            'Current sessions.',
            registry=registry,
            multiprocess_mode='livesum',
        )
        self._opened = prometheus_client.Counter(
            'console_svc_proxy_sessions_opened',
            'Sessions opened.',
            ['console_type'],
            registry=registry,
        )
        self._refused = prometheus_client.Counter(
            'console_svc_proxy_refused',
            'Websockets whose session was refused or ended, by close code.',
            ['code'],
            registry=registry,
        )
        self._native_clients = prometheus_client.Counter(
            'console_svc_proxy_native_clients',
            'Connections of native clients, by outcome: accepted, failed '
            '(wrong password), locked, refused (no session, or the '
            'hypervisor is unreachable), broken (handshake failed), crowded '
            '(too many connections).',
            ['outcome'],
            registry=registry,
        )
        self._spice_clients = prometheus_client.Counter(
            'console_svc_proxy_spice_clients',
            'Channels of native SPICE clients, by outcome: accepted, refused '
            '(no session, a channel that is not allowed, or the hypervisor is '
            'unreachable), broken (handshake failed), crowded (too many '
            'connections).',
            ['outcome'],
            registry=registry,
        )
        self._recordings = prometheus_client.Counter(
            'console_svc_proxy_recordings',
            'Recordings of sessions, by outcome: started, failed (it cannot '
            'be written), refused (of a console type that cannot be '
            'recorded).',
            ['outcome'],
            registry=registry,
        )
        self._recordings_waiting = prometheus_client.Gauge(
            'console_svc_proxy_recordings_waiting',
            'Finished recordings that are not yet in the object storage.',
            registry=registry,
            # All workers look at the same directory.
            multiprocess_mode='livemax',
        )
        self._browsers_crowded = prometheus_client.Counter(
            'console_svc_proxy_browsers_crowded',
            'Connections of browsers that were reset when they were accepted '
            '(too many connections).',
            registry=registry,
        )
        self._bytes = prometheus_client.Counter(
            'console_svc_proxy_bytes',
            'Bytes relayed.',
            ['direction'],
            registry=registry,
        )
        self._api_failures = prometheus_client.Counter(
            'console_svc_proxy_api_failures',
            'Keep-alive requests that failed.',
            registry=registry,
        )
        self._unexpected = prometheus_client.Counter(
            'console_svc_proxy_unexpected_errors',
            'Exceptions that nothing expects, logged with a traceback, by '
            'where they were caught: browser, native_client, spice_client, '
            'accept (new '
            'connections), close (requests that close sessions), check, '
            'keep, memory and record (background tasks), event_loop, local '
            '(/healthcheck and /metrics).',
            ['where'],
            registry=registry,
        )
        self._tasks = prometheus_client.Gauge(
            'console_svc_proxy_tasks',
            'Tasks of the event loops; a few for each connection.',
            registry=registry,
            multiprocess_mode='livesum',
        )
        self._set_up = prometheus_client.Histogram(
            'console_svc_proxy_set_up_seconds',
            'Time from a connection to the start of its relay.',
            registry=registry,
        )

    def opened(self, console_type: str) -> None:
        """Count a session that was opened."""
        self._sessions.inc()
        self._opened.labels(console_type).inc()

    def closed(self) -> None:
        """Count a session that was closed."""
        self._sessions.dec()

    def refused(self, code: int) -> None:
        """Count a websocket that was closed for a reason."""
        self._refused.labels(str(int(code))).inc()

    def native_client(self, outcome: str) -> None:
        """Count the outcome of a native client's connection."""
        self._native_clients.labels(outcome).inc()

    def spice_client(self, outcome: str) -> None:
        """Count the outcome of a channel of a native SPICE client."""
        self._spice_clients.labels(outcome).inc()

    def recording(self, outcome: str) -> None:
        """Count a recording."""
        self._recordings.labels(outcome).inc()

    def recordings_waiting(self, number: int) -> None:
        """Set the number of recordings that wait for their upload."""
        self._recordings_waiting.set(number)

    def browser_crowded(self) -> None:
        """Count a browser's connection that got no place."""
        self._browsers_crowded.inc()

    def moved(self, received: int, sent: int) -> None:
        """Count bytes relayed from clients, and to them."""
        if received:
            self._bytes.labels('from_client').inc(received)
        if sent:
            self._bytes.labels('to_client').inc(sent)

    def tasks(self, number: int) -> None:
        """Set the number of tasks."""
        self._tasks.set(number)

    def api_failed(self) -> None:
        """Count a keep-alive request that failed."""
        self._api_failures.inc()

    def unexpected(self, where: str) -> None:
        """Count an exception that nothing expects."""
        self._unexpected.labels(where).inc()

    def set_up(self, seconds: float) -> None:
        """Observe how long it took to set up a session."""
        self._set_up.observe(seconds)


async def listen(
    listener: socket.socket,
    problem: Callable[[], str | None],
    metrics: Metrics,
) -> websockets.Server:
    """Serve /healthcheck and /metrics on a socket.

    :param problem: why new sessions should go elsewhere; None: no reason
    """

    def respond(
        connection: websockets.ServerConnection, request: Request
    ) -> Response:
        try:
            return _answer(request.path.partition('?')[0], problem())
        except Exception:
            LOG.exception('A request on the local port failed unexpectedly')
            metrics.unexpected('local')
            return _text(
                http.HTTPStatus.INTERNAL_SERVER_ERROR, b'See the log\n'
            )

    async def never(connection: websockets.ServerConnection) -> None:
        """Not called: respond() answers every request."""

    _LIBRARY.setLevel(logging.CRITICAL)
    return await websockets.serve(
        never,
        sock=listener,
        process_request=respond,
        server_header=None,
        logger=_LIBRARY,
    )


def _answer(path: str, problem: str | None) -> Response:
    match path:
        case '/healthcheck' if problem is None:
            return _text(http.HTTPStatus.OK, b'OK\n')
        case '/healthcheck':
            return _text(
                http.HTTPStatus.SERVICE_UNAVAILABLE, f'{problem}\n'.encode()
            )
        case '/metrics':
            return _text(http.HTTPStatus.OK, prometheus.text())
        case _:
            return _text(http.HTTPStatus.NOT_FOUND, b'Not found\n')


def _text(status: http.HTTPStatus, body: bytes) -> Response:
    return Response(
        status.value,
        status.phrase,
        Headers(
            {
                'Content-Type': 'text/plain; version=0.0.4; charset=utf-8',
                'Content-Length': str(len(body)),
            }
        ),
        body,
    )
