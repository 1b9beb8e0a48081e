# SPDX-License-Identifier: Apache-2.0

"""Accepts connections, up to limits, before anything is read from them."""

import asyncio
import errno
import functools
import logging
import socket
import ssl
import struct
import time
from collections.abc import Callable
from typing import Final

from oslo_config import cfg

from console_svc.proxy.monitoring import Metrics
from console_svc.proxy.places import Connection, Places

LOG = logging.getLogger(__name__)

# Connections beyond max_sessions: they may be about to open a session.
_RESERVED: Final = 500

# Most connections that are accepted before the event loop does anything else.
_AT_ONCE: Final = 64

# Seconds until the next attempt, if the process or the machine cannot have
# more sockets.
_PAUSE: Final = 1
_EXHAUSTED: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
)

# Seconds between two log lines of a kind: an attacker must not fill the log.
_QUIET: Final = 60

# Seconds to close TLS, with the data that a slow client must read first.
# Clients that read nothing are closed earlier.
_CLOSE_TIMEOUT: Final = 60

#: Creates the protocol of a connection.
Factory = Callable[[], asyncio.BaseProtocol]


class Acceptor:
    """Accepts the connections of a front end.

    :param name: of the clients, for the log
    :param crowded: counts a connection that gets no place
    :param tls: from the first byte; None: without TLS
    :param timeout: seconds for the TLS handshake
    """

    def __init__(
        self,
        name: str,
        places: Places,
        crowded: Callable[[], None],
        metrics: Metrics,
        tls: ssl.SSLContext | None,
        timeout: float,
    ) -> None:
        self._name = name
        self._places = places
        self._crowded = crowded
        self._metrics = metrics
        self._tls = tls
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._listeners: set[socket.socket] = set()
        self._starting: set[asyncio.Task[None]] = set()
        self._logged_at: dict[str, float] = {}

    @property
    def ended(self) -> int:
        """The number of connections that have ended."""
        return self._places.ended

    def listen(self, listener: socket.socket, factory: Factory) -> None:
        """Accept connections on a socket."""
        listener.setblocking(False)
        self._listeners.add(listener)
        self._resume(listener, factory)

    def close(self) -> None:
        """Accept no more connections."""
        for listener in self._listeners:
            self._loop.remove_reader(listener)
            listener.close()
        self._listeners.clear()

    async def wait_closed(self) -> None:
        """Wait for the TLS handshakes in progress, after :meth:`close`."""
        if self._starting:
            await asyncio.wait(self._starting)

    def _resume(self, listener: socket.socket, factory: Factory) -> None:
        if listener in self._listeners:
            self._loop.add_reader(listener, self._accept, listener, factory)

    def _accept(self, listener: socket.socket, factory: Factory) -> None:
        """Accept the connections that wait on a socket."""
        try:
            for _ in range(_AT_ONCE):
                self._accept_one(listener, factory)
        except BlockingIOError:
            return
        except OSError as error:
            if self._may_log('exhausted'):
                LOG.error(
                    'Connections of %s cannot be accepted: %s. They wait, '
                    'and are tried again each second',
                    self._name,
                    error,
                )
        except Exception:
            LOG.exception(
                'A connection of %s failed unexpectedly when it was accepted',
                self._name,
            )
            self._metrics.unexpected('accept')
        else:
            return
        # The socket stays readable: without a pause this would repeat at once.
        self._loop.remove_reader(listener)
        self._loop.call_later(_PAUSE, self._resume, listener, factory)

    def _accept_one(self, listener: socket.socket, factory: Factory) -> None:
        """Accept a connection.

        :raises BlockingIOError: there is none
        :raises OSError: the process can have no more sockets
        """
        try:
            accepted, (address, *_) = listener.accept()
        except BlockingIOError:
            raise
        except OSError as error:
            if error.errno in _EXHAUSTED:
                raise
            # Linux passes on errors of the new connection: accept(2).
            return
        if not self._places.take(address):
            self._refuse(accepted, address)
            return
        connection = Connection(
            accepted, functools.partial(self._places.free, address)
        )
        task = self._loop.create_task(self._start(connection, factory))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    def _refuse(self, accepted: socket.socket, address: str) -> None:
        """Reset a connection, which leaves nothing in the kernel."""
        accepted.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)
        )
        accepted.close()
        self._crowded()
        if self._may_log('crowded'):
            LOG.warning(
                'There are too many connections of %s: one from %s was reset. '
                'This worker has %d, and %d of them are from this address. '
                'Further ones are counted, but not logged for %d seconds',
                self._name,
                address,
                len(self._places),
                self._places.held(address),
                _QUIET,
            )

    def _may_log(self, what: str) -> bool:
        """Whether enough time has passed since such a line was logged."""
        now = time.monotonic()
        if now - self._logged_at.get(what, -_QUIET) < _QUIET:
            return False
        self._logged_at[what] = now
        return True

    async def _start(self, connection: Connection, factory: Factory) -> None:
        """Hand a connection to the event loop, after the TLS handshake."""
        try:
            if self._tls is None:
                await self._loop.connect_accepted_socket(factory, connection)
            else:
                await self._loop.connect_accepted_socket(
                    factory,
                    connection,
                    ssl=self._tls,
                    ssl_handshake_timeout=self._timeout,
                    ssl_shutdown_timeout=_CLOSE_TIMEOUT,
                )
        except OSError:
            # The TLS handshake failed or timed out, or the client has closed.
            # The event loop closes the connection.
            pass
        except Exception:
            LOG.exception(
                'A connection of %s failed unexpectedly at its start',
                self._name,
            )
            self._metrics.unexpected('accept')
            connection.close()


def browsers(
    conf: cfg.ConfigOpts, metrics: Metrics, tls: ssl.SSLContext | None
) -> Acceptor:
    """Accepts connections of browsers."""
    options = conf.proxy
    return Acceptor(
        'browsers',
        Places(
            options.max_sessions + _RESERVED,
            # All connections are the load balancer's.
            None
            if options.enable_proxy_headers_parsing
            else options.max_connections_per_address,
            _RESERVED,
        ),
        metrics.browser_crowded,
        metrics,
        tls,
        options.handshake_timeout,
    )


def spice_clients(
    conf: cfg.ConfigOpts, metrics: Metrics, tls: ssl.SSLContext | None
) -> tuple[Acceptor, Acceptor]:
    """Accept connections of native SPICE clients, without and with TLS.

    :param tls: None: there is no port for it
    """
    places = Places(
        conf.proxy.max_sessions + _RESERVED,
        conf.spice.direct_max_connections_per_address,
        _RESERVED,
    )
    plain, encrypted = (
        Acceptor(
            'native SPICE clients',
            places,
            functools.partial(metrics.spice_client, 'crowded'),
            metrics,
            context,
            conf.proxy.handshake_timeout,
        )
        for context in (None, tls)
    )
    return plain, encrypted


def native_clients(conf: cfg.ConfigOpts, metrics: Metrics) -> Acceptor:
    """Accepts connections of native clients, which start TLS later."""
    return Acceptor(
        'native clients',
        Places(
            conf.proxy.max_sessions + _RESERVED,
            conf.rfb.max_connections_per_address,
            _RESERVED,
        ),
        functools.partial(metrics.native_client, 'crowded'),
        metrics,
        None,
        conf.proxy.handshake_timeout,
    )
