# SPDX-License-Identifier: Apache-2.0

"""What Prometheus is told, of all processes together."""

import os
import pathlib

import prometheus_client
from prometheus_client import multiprocess


class Metrics:
    """The figures of this process, which are added to those of the others."""

    def __init__(self) -> None:
        registry = prometheus_client.CollectorRegistry()
        self._sessions = prometheus_client.Gauge(
            'console_svc_proxy_sessions',
            'Sessions now.',
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
            'Connections that came to no session, or whose session was '
            'ended, by the code that their websocket was closed with.',
            ['code'],
            registry=registry,
        )
        self._native_clients = prometheus_client.Counter(
            'console_svc_proxy_native_clients',
            'Connections of native VNC clients, by what became of them: '
            'accepted, failed (a wrong password), locked, refused (no '
            'session, or no hypervisor), broken, crowded (too many).',
            ['outcome'],
            registry=registry,
        )
        self._bytes = prometheus_client.Counter(
            'console_svc_proxy_bytes',
            'Bytes carried.',
            ['direction'],
            registry=registry,
        )
        self._api_failures = prometheus_client.Counter(
            'console_svc_proxy_api_failures',
            'Rounds in which sessions could not be kept alive at the API.',
            registry=registry,
        )
        self._tasks = prometheus_client.Gauge(
            'console_svc_proxy_tasks',
            'Tasks of the event loops; a few a connection.',
            registry=registry,
            multiprocess_mode='livesum',
        )
        self._set_up = prometheus_client.Histogram(
            'console_svc_proxy_set_up_seconds',
            'From the websocket to the first byte that can pass.',
            registry=registry,
        )

    def opened(self, console_type: str) -> None:
        """A session began."""
        self._sessions.inc()
        self._opened.labels(console_type).inc()

    def closed(self) -> None:
        """A session ended."""
        self._sessions.dec()

    def refused(self, code: int) -> None:
        """A websocket was closed with a code that says why."""
        self._refused.labels(str(int(code))).inc()

    def native_client(self, outcome: str) -> None:
        """A native client's connection came to this."""
        self._native_clients.labels(outcome).inc()

    def moved(self, received: int, sent: int) -> None:
        """Bytes were carried from clients, and to them."""
        if received:
            self._bytes.labels('from_client').inc(received)
        if sent:
            self._bytes.labels('to_client').inc(sent)

    def tasks(self, number: int) -> None:
        """So many tasks are there."""
        self._tasks.set(number)

    def api_failed(self) -> None:
        """The API did not say which sessions go on."""
        self._api_failures.inc()

    def set_up(self, seconds: float) -> None:
        """A session took so long to begin."""
        self._set_up.observe(seconds)


def forget_dead() -> None:
    """What processes that have ended have now, they have no more."""
    folder = pathlib.Path(os.environ['PROMETHEUS_MULTIPROC_DIR'])
    for file in folder.glob('gauge_live*.db'):
        pid = file.stem.rpartition('_')[2]
        if not pathlib.Path('/proc', pid).exists():
            multiprocess.mark_process_dead(int(pid))  # type: ignore[no-untyped-call]
