# SPDX-License-Identifier: Apache-2.0

"""A worker process of the console proxy. Read this module first."""

import asyncio
import contextlib
import dataclasses
import functools
import logging
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import cotyledon
import uvloop
from oslo_config import cfg

from console_svc.protocols import spice
from console_svc.proxy import accepting, background, monitoring, tls
from console_svc.proxy.activity import Activity
from console_svc.proxy.background import BackgroundTask
from console_svc.proxy.browser_consoles import BrowserConsoles
from console_svc.proxy.browsers import Browsers
from console_svc.proxy.connection_files import connection_files
from console_svc.proxy.console_api import ConsoleApi
from console_svc.proxy.hypervisors import Hypervisors
from console_svc.proxy.listening import (
    listening_sockets,
    native_addresses,
    spice_addresses,
)
from console_svc.proxy.memory import INTERVAL, Memory
from console_svc.proxy.monitoring import Metrics
from console_svc.proxy.native_clients import NativeClients
from console_svc.proxy.rdp import RDPServers
from console_svc.proxy.recorder import Recorder
from console_svc.proxy.sessions import Sessions
from console_svc.proxy.spice_clients import SpiceClients

if TYPE_CHECKING:
    # Not in cotyledon 2.0.
    from cotyledon.types import WorkerId

LOG = logging.getLogger(__name__)

# Seconds for a worker without its background tasks to close its sessions.
_LAST_SECONDS: Final = 30


class Worker(cotyledon.Service):
    """An event loop that serves the ports, which all workers share.

    Cotyledon runs it in one thread, and handles signals in another.

    :param activity: shared by all workers; None: they share no sessions
    """

    name = 'worker'

    def __init__(
        self,
        worker_id: 'WorkerId',
        conf: cfg.ConfigOpts,
        activity: Activity | None = None,
    ) -> None:
        super().__init__(worker_id)
        self._activity = activity
        self._conf = conf
        self._browsers_tls = tls.browsers(conf)
        self._native_clients_tls = tls.native_clients(conf)
        self._hypervisors_tls = tls.hypervisors(conf)
        self._spice_clients_tls = tls.spice_clients(conf)
        self._spice_servers_tls = tls.spice_servers(conf)
        self._connection_files = connection_files(conf)
        self._rdp_servers_tls = tls.RDPServerTLS(conf)
        self._loop = uvloop.new_event_loop()
        self._stop = asyncio.Event()
        self._stopped = threading.Event()

    def run(self) -> None:
        """Serve until :meth:`terminate`."""
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        finally:
            self._stopped.set()

    def terminate(self) -> None:
        """On SIGTERM: refuse new sessions, and drain the others."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)
        self._stopped.wait()

    def reload(self) -> None:
        """On SIGHUP: read certificates and keys again."""
        for reloadable in (
            self._browsers_tls,
            self._native_clients_tls,
            self._hypervisors_tls,
            self._spice_clients_tls,
            self._spice_servers_tls,
            self._connection_files,
            self._rdp_servers_tls,
        ):
            if reloadable is not None:
                self._loop.call_soon_threadsafe(reloadable.reload)

    async def _serve(self) -> None:
        options = self._conf.proxy
        api = ConsoleApi(self._conf)
        metrics = Metrics()
        _count_unhandled(metrics)
        recorder = Recorder(self._conf, metrics)
        sessions = Sessions(self._conf, api, metrics, self._activity, recorder)
        hypervisors = Hypervisors(
            self._conf, self._hypervisors_tls, self._spice_servers_tls
        )
        consoles = BrowserConsoles(
            self._conf,
            hypervisors,
            RDPServers(self._conf, self._rdp_servers_tls),
        )
        browsers = Browsers(
            self._conf,
            api,
            sessions,
            consoles,
            metrics,
            self._connection_files,
        )
        from_browsers = accepting.browsers(
            self._conf, metrics, _context(self._browsers_tls)
        )
        for port in options.ports:
            for listener in listening_sockets(options.host, port):
                from_browsers.listen(listener, browsers.protocol)
        native = await self._listen_natively(
            api, sessions, hypervisors, metrics
        )
        acceptors = (from_browsers, *native.acceptors)
        memory = Memory(lambda: sum(it.ended for it in acceptors))
        tasks = [
            BackgroundTask('check', sessions.check, 1, metrics),
            BackgroundTask(
                'keep', sessions.keep, options.keep_interval, metrics
            ),
            BackgroundTask('memory', memory.trim, INTERVAL, metrics),
            BackgroundTask('record', recorder.keep, 1, metrics),
        ]
        if options.local_port:
            for listener in listening_sockets(
                options.local_host, options.local_port
            ):
                await monitoring.listen(
                    listener, lambda: self._problem(tasks), metrics
                )
        LOG.info(
            'Listening for browsers on %s, ports %s',
            options.host,
            options.ports,
        )
        running = [asyncio.create_task(task.run()) for task in tasks]
        failure = await self._until_stopped(running)
        self._stop.set()
        # Without its background tasks, a worker must not keep sessions.
        timeout = options.drain_timeout if failure is None else 0
        LOG.info('Draining %d sessions', len(sessions))
        async with asyncio.timeout(None if failure is None else _LAST_SECONDS):
            for acceptor in acceptors:
                acceptor.close()
            await asyncio.gather(
                sessions.drain(timeout),
                browsers.drain(timeout),
                *(it.wait_closed() for it in acceptors),
            )
            await browsers.wait_closed()
            for front_end in native.front_ends:
                await front_end.stop()
            await sessions.closed()
        for task in running:
            task.cancel()
        await api.stop()
        if failure is not None:
            # Cotyledon logs it and starts another worker.
            raise failure

    async def _listen_natively(
        self,
        api: ConsoleApi,
        sessions: Sessions,
        hypervisors: Hypervisors,
        metrics: Metrics,
    ) -> '_Native':
        """Start the front ends for native clients that are enabled."""
        native = _Native()
        parts = self._conf, api, sessions, hypervisors, metrics
        if self._conf.rfb.enabled:
            vnc = NativeClients(*parts, _context(self._native_clients_tls))
            acceptor = accepting.native_clients(self._conf, metrics)
            for host, port in native_addresses(self._conf):
                _listen(acceptor, host, port, vnc.protocol)
            native.front_ends.append(vnc)
            native.acceptors.append(acceptor)
            LOG.info(
                'Listening for native clients on %s, %d ports',
                self._conf.rfb.host,
                len(native_addresses(self._conf)),
            )
        if self._conf.spice.direct_enabled:
            # A key takes too long for the event loop.
            key = await asyncio.to_thread(spice.Key)
            channels = SpiceClients(*parts, key)
            by_tls = accepting.spice_clients(
                self._conf, metrics, _context(self._spice_clients_tls)
            )
            for host, port, is_tls in spice_addresses(self._conf):
                _listen(by_tls[is_tls], host, port, channels.protocol)
                LOG.info(
                    'Listening for native SPICE clients on %s, port %d (%s)',
                    host,
                    port,
                    'TLS' if is_tls else 'without TLS',
                )
            native.front_ends.append(channels)
            native.acceptors += by_tls
        return native

    async def _until_stopped(
        self, tasks: Sequence[asyncio.Task[None]]
    ) -> BaseException | None:
        """Wait for SIGTERM, or the end of a background task.

        :returns: why the task has ended; None: SIGTERM
        """
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait(
            [stopped, *tasks], return_when=asyncio.FIRST_COMPLETED
        )
        for task in tasks:
            if task.done() and not stopped.done():
                LOG.critical(
                    'A background task has ended, so this worker ends its '
                    'sessions and exits; another one is started'
                )
                return task.exception() or RuntimeError('it has returned')
        return None

    def _problem(self, tasks: Sequence[BackgroundTask]) -> str | None:
        """Why this worker should get no new sessions, for /healthcheck."""
        if self._stop.is_set():
            return 'Draining'
        names = background.failing(tasks)
        return names and f'Background tasks fail, see the log: {names}'


@dataclasses.dataclass(slots=True)
class _Native:
    """The front ends for native clients, and what accepts connections."""

    front_ends: list[NativeClients | SpiceClients] = dataclasses.field(
        default_factory=list
    )
    acceptors: list[accepting.Acceptor] = dataclasses.field(
        default_factory=list
    )


def _listen(
    acceptor: accepting.Acceptor,
    host: str,
    port: int,
    protocol: Callable[[int], asyncio.BaseProtocol],
) -> None:
    """Listen on a port.

    :param protocol: creates the protocol of a connection to it
    """
    for listener in listening_sockets(host, port):
        acceptor.listen(listener, functools.partial(protocol, port))


def _count_unhandled(metrics: Metrics) -> None:
    """Count the exceptions that asyncio logs, since nothing handles them."""

    def handle(
        loop: asyncio.AbstractEventLoop, context: dict[str, Any]
    ) -> None:
        metrics.unexpected('event_loop')
        loop.default_exception_handler(context)

    asyncio.get_running_loop().set_exception_handler(handle)


def _context(certificate: tls.ServerTLS | None) -> ssl.SSLContext | None:
    return None if certificate is None else certificate.context
