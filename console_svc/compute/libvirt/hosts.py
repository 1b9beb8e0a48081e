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

from console_svc import exception

LOG = logging.getLogger(__name__)

_Result = TypeVar('_Result')

# Calls of one host at a time; who hangs with it keeps no other host waiting.
_CALLS: Final = 4

# Seconds for which a host that is dead is not asked again.
_DEAD_SECONDS: Final = 5

# Seconds between two signs of life on a connection, and how many may miss.
_KEEP_ALIVE: Final = (5, 3)


class HostUnavailable(exception.ServiceUnavailable):
    """A host's libvirt does not answer."""

    def __init__(self) -> None:
        super().__init__('The compute host is unavailable.')


class Host:
    """A compute host, and one connection to it that all threads share.

    :param name: nova's name for it
    :param uri: libvirt's
    :param timeout: seconds until it is taken for dead
    """

    def __init__(self, name: str, uri: str, timeout: float) -> None:
        self.name = name
        self._uri = uri
        self.timeout = timeout
        #: Whether its daemon is reached without a network.
        self.is_local = not parse.urlsplit(uri).netloc
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._connection: Any = None
        self._opening = threading.Lock()
        self._asked_again_at = 0.0
        self._executor = futures.ThreadPoolExecutor(
            _CALLS, thread_name_prefix=f'libvirt-{self.name}'
        )

    def submit(
        self, function: Callable[[Any], _Result]
    ) -> 'futures.Future[_Result]':
        """Begin to call a function with the connection.

        :returns: what :meth:`result` waits for
        """
        with self._lock:
            if self._pid != os.getpid():
                # A server has forked: neither thread nor connection is ours.
                self._forget()
        if time.monotonic() < self._asked_again_at:
            dead: futures.Future[_Result] = futures.Future()
            dead.set_exception(HostUnavailable())
            return dead
        return self._executor.submit(self._call, function)

    def result(self, future: 'futures.Future[_Result]') -> _Result:
        """What came of it.

        :raises HostUnavailable: the host does not answer
        :raises libvirt.libvirtError: it says no
        """
        try:
            return future.result(self.timeout)
        except futures.TimeoutError:
            future.cancel()
            self._lose('no answer in time')
            raise HostUnavailable from None

    def call(self, function: Callable[[Any], _Result]) -> _Result:
        """Call a function with the connection, and wait.

        :raises HostUnavailable: the host does not answer
        :raises libvirt.libvirtError: it says no
        """
        return self.result(self.submit(function))

    def _call(self, function: Callable[[Any], _Result]) -> _Result:
        used = self._connection
        try:
            try:
                return function(self._open())
            except libvirt.libvirtError:
                if used is None or not self._is_lost():
                    raise
                # The daemon has been restarted: a new connection will do.
                self._connection = None
                return function(self._open())
        except libvirt.libvirtError as error:
            if not self._is_lost():
                raise
            self._lose(str(error))
            raise HostUnavailable from None

    def _is_lost(self) -> bool:
        """Whether the connection has ended: else it was QEMU's no."""
        return self._connection is None or not self._connection.isAlive()

    def _open(self) -> Any:
        with self._opening:
            connection = self._connection
            if connection is None or not connection.isAlive():
                _run_event_loop()
                connection = libvirt.open(self._uri)
                connection.setKeepAlive(*_KEEP_ALIVE)
                self._connection = connection
            return connection

    def _lose(self, reason: str) -> None:
        LOG.warning('Compute host %s does not answer: %s', self.name, reason)
        self._connection = None
        self._asked_again_at = time.monotonic() + _DEAD_SECONDS


class Hosts:
    """All compute hosts, and where each server was seen last."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        options = conf.libvirt
        self._hosts: dict[str, Host] = {}
        for entry in options.hosts:
            name, _, uri = entry.partition('=')
            uri = uri or options.uri.replace('{host}', name)
            self._hosts[name] = Host(name, uri, options.timeout)
        self._seen: dict[str, str] = {}

    def get(self, name: str) -> Host | None:
        """The host with this name."""
        return self._hosts.get(name)

    def find(
        self, server_id: str, function: Callable[[Any], _Result]
    ) -> tuple[Host, _Result]:
        """Call a function on the host that has a server.

        The host where it was last is asked first; then all, at once.

        :param function: raises VIR_ERR_NO_DOMAIN where the server is not
        :returns: the host, and the result
        :raises HostUnavailable: the host that has it may be one that does
            not answer
        :raises console_svc.exception.ServerNotFound: all hosts have answered
        """
        last = self._hosts.get(self._seen.get(server_id, ''))
        if last is not None:
            try:
                return last, last.call(function)
            except HostUnavailable:
                # It may have been evacuated since.
                pass
            except libvirt.libvirtError as error:
                _raise_unless_absent(error)
        return self._search(server_id, function)

    def _search(
        self, server_id: str, function: Callable[[Any], _Result]
    ) -> tuple[Host, _Result]:
        asked = {host.submit(function): host for host in self._hosts.values()}
        dead = False
        for future in _as_answered(asked):
            try:
                found = asked[future].result(future)
            except HostUnavailable:
                dead = True
            except libvirt.libvirtError as error:
                _raise_unless_absent(error)
            else:
                self._seen[server_id] = asked[future].name
                return asked[future], found
        if dead:
            raise HostUnavailable
        self._seen.pop(server_id, None)
        raise exception.ServerNotFound(server_id=server_id)


def _as_answered(
    asked: dict['futures.Future[Any]', Host],
) -> Sequence['futures.Future[Any]']:
    """The futures in the order of their answers, the unanswered last."""
    order: list[futures.Future[Any]] = []
    waiting = set(asked)
    deadline = time.monotonic() + max(
        (host.timeout for host in asked.values()), default=0
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


def _raise_unless_absent(error: libvirt.libvirtError) -> None:
    if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
        LOG.error('A server is not found, as libvirt failed: %s', error)
        raise HostUnavailable from None


_loop_lock = threading.Lock()
_loop_pid: int | None = None


def _run_event_loop() -> None:
    """What libvirt's keep-alive runs on: one thread a process."""
    global _loop_pid
    with _loop_lock:
        if _loop_pid == os.getpid():
            return
        # It would print each error besides.
        libvirt.registerErrorHandler(lambda context, error: None, None)
        libvirt.virEventRegisterDefaultImpl()
        _loop_pid = os.getpid()

        def run() -> None:
            while True:
                libvirt.virEventRunDefaultImpl()

        threading.Thread(
            target=run, name='libvirt-events', daemon=True
        ).start()
