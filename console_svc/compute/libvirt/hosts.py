# SPDX-License-Identifier: Apache-2.0

"""Connections to the libvirt daemons of compute hosts."""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import Any, Final, TypeVar
from urllib import parse

import libvirt
from oslo_config import cfg
from oslo_context import context

from console_svc import background, exception
from console_svc.context import admin_context

LOG = logging.getLogger(__name__)

_Result = TypeVar('_Result')

# Concurrent calls per host. Each host has its own threads, so that a hung
# host does not block the others.
_CALLS: Final = 4

# Seconds for which a dead host gets no further calls.
_DEAD_SECONDS: Final = 5

# Seconds between two keep-alive messages on a connection, and how many may
# remain unanswered before libvirt closes it.
_KEEP_ALIVE: Final = (5, 3)


class HostUnavailable(exception.ServiceUnavailable):
    """The libvirt daemon of a compute host does not answer."""

    def __init__(self) -> None:
        super().__init__('The compute host is unavailable.')


class Host:
    """A compute host, with one libvirt connection that all threads share.

    :param name: nova's name of the host
    :param uri: libvirt's URI of the host
    :param timeout: seconds without an answer after which the host is dead
    """

    def __init__(self, name: str, uri: str, timeout: float) -> None:
        self.name = name
        self._uri = uri
        self.timeout = timeout
        #: Whether the daemon is reached by a Unix socket.
        self.is_local = not parse.urlsplit(uri).netloc
        self._lock = threading.Lock()
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._connection: Any = None
        self._opening = threading.Lock()
        self._dead_until = 0.0
        self._executor = futures.ThreadPoolExecutor(
            _CALLS, thread_name_prefix=f'libvirt-{self.name}'
        )

    def submit(
        self, function: Callable[[Any], _Result]
    ) -> futures.Future[_Result]:
        """Start to call a function with the connection.

        :returns: the future, to be passed to :meth:`result`
        """
        with self._lock:
            if self._pid != os.getpid():
                # The process was forked: threads and connection belong to
                # the parent.
                self._reset()
        if time.monotonic() < self._dead_until:
            dead: futures.Future[_Result] = futures.Future()
            dead.set_exception(HostUnavailable())
            return dead
        # For the ids in log lines.
        current = context.get_current() or admin_context()
        return self._executor.submit(self._call, function, current)

    def result(self, future: futures.Future[_Result]) -> _Result:
        """Wait for the result of a call.

        :raises HostUnavailable: the host does not answer
        :raises libvirt.libvirtError: libvirt refuses the call
        """
        try:
            return future.result(self.timeout)
        except futures.TimeoutError:
            future.cancel()
            self._mark_dead(f'no answer within {self.timeout} s')
            raise HostUnavailable from None

    def call(self, function: Callable[[Any], _Result]) -> _Result:
        """Call a function with the connection and return its result.

        :raises HostUnavailable: the host does not answer
        :raises libvirt.libvirtError: libvirt refuses the call
        """
        return self.result(self.submit(function))

    def _call(
        self,
        function: Callable[[Any], _Result],
        current: context.RequestContext,
    ) -> _Result:
        current.update_store()
        used = self._connection
        try:
            try:
                return function(self._connect())
            except libvirt.libvirtError:
                if used is None or not self._is_lost():
                    raise
                # The connection may be stale, because the daemon was
                # restarted: retry once with a new one.
                self._connection = None
                return function(self._connect())
        except libvirt.libvirtError as error:
            if not self._is_lost():
                raise
            self._mark_dead(str(error))
            raise HostUnavailable from None

    def _is_lost(self) -> bool:
        """Return whether the connection is closed.

        If it is open, an error was libvirt's answer to the call.
        """
        return self._connection is None or not self._connection.isAlive()

    def _connect(self) -> Any:
        with self._opening:
            connection = self._connection
            if connection is None or not connection.isAlive():
                _run_event_loop()
                connection = libvirt.open(self._uri)
                connection.setKeepAlive(*_KEEP_ALIVE)
                self._connection = connection
            return connection

    def _mark_dead(self, reason: str) -> None:
        LOG.warning(
            'Compute host %s does not answer, and its servers are '
            'unavailable: %s',
            self.name,
            reason,
        )
        self._connection = None
        self._dead_until = time.monotonic() + _DEAD_SECONDS


class Hosts:
    """All compute hosts, and the host on which each server was last found."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        options = conf.libvirt
        self._hosts: dict[str, Host] = {}
        for entry in options.hosts:
            name, _, uri = entry.partition('=')
            uri = uri or options.uri.replace('{host}', name)
            self._hosts[name] = Host(name, uri, options.timeout)
        self._last_hosts: dict[str, str] = {}

    def get(self, name: str) -> Host | None:
        """Return the host with a name, if there is one."""
        return self._hosts.get(name)

    def all(self) -> Sequence[Host]:
        """Return all hosts."""
        return [*self._hosts.values()]

    def find(
        self, server_id: str, function: Callable[[Any], _Result]
    ) -> tuple[Host, _Result]:
        """Call a function on the host that has a server.

        The host on which the server was last found is tried first. If it is
        not there, all hosts are tried concurrently.

        :param function: raises VIR_ERR_NO_DOMAIN on the other hosts
        :returns: the host, and the function's result
        :raises HostUnavailable: the server was not found, but not all hosts
            have answered
        :raises console_svc.exception.ServerNotFound: no host has the server
        """
        last = self._hosts.get(self._last_hosts.get(server_id, ''))
        if last is not None:
            try:
                return last, last.call(function)
            except HostUnavailable:
                # The server may have been evacuated since.
                pass
            except libvirt.libvirtError as error:
                _raise_unless_no_domain(last, error)
        return self._search(server_id, function)

    def _search(
        self, server_id: str, function: Callable[[Any], _Result]
    ) -> tuple[Host, _Result]:
        calls = {host.submit(function): host for host in self._hosts.values()}
        dead = False
        for future in _by_completion(calls):
            host = calls[future]
            try:
                found = host.result(future)
            except HostUnavailable:
                dead = True
            except libvirt.libvirtError as error:
                _raise_unless_no_domain(host, error)
            else:
                self._last_hosts[server_id] = host.name
                return host, found
        if dead:
            raise HostUnavailable
        self._last_hosts.pop(server_id, None)
        raise exception.ServerNotFound(server_id=server_id)


def _by_completion(
    calls: dict[futures.Future[Any], Host],
) -> Sequence[futures.Future[Any]]:
    """Wait for a result, and return the futures, completed ones first."""
    order: list[futures.Future[Any]] = []
    waiting = set(calls)
    deadline = time.monotonic() + max(
        (host.timeout for host in calls.values()), default=0
    )
    while waiting:
        done, waiting = futures.wait(
            waiting,
            max(0, deadline - time.monotonic()),
            futures.FIRST_COMPLETED,
        )
        if not done:
            break
        order += done
        if any(it.exception() is None for it in done):
            break
    return [*order, *waiting]


def _raise_unless_no_domain(host: Host, error: libvirt.libvirtError) -> None:
    if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
        LOG.error(
            'libvirt on compute host %s failed to look up a server: %s',
            host.name,
            error,
        )
        raise HostUnavailable from None


# Module state, because libvirt has one default event loop per process.
_loop_lock = threading.Lock()
_loop_pid: int | None = None


def _run_event_loop() -> None:
    """Run libvirt's event loop, which its keep-alive needs, in a thread."""
    global _loop_pid
    with _loop_lock:
        if _loop_pid == os.getpid():
            return
        # By default, libvirt also prints each error to standard error.
        libvirt.registerErrorHandler(lambda context, error: None, None)
        libvirt.virEventRegisterDefaultImpl()
        _loop_pid = os.getpid()
        background.repeat('libvirt-events', libvirt.virEventRunDefaultImpl)
