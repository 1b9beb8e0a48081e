# SPDX-License-Identifier: Apache-2.0

"""The sockets that all workers listen on, and their addresses."""

import contextlib
import socket
from typing import Final

from oslo_config import cfg

from console_svc.conf.consoles import own_ports
from console_svc.proxy.streams import ACCEPTED

# Length of the kernel's queue of connections that are not yet accepted.
_BACKLOG: Final = 1024

# The wildcard addresses.
_ANY_ADDRESS: Final = frozenset({'0.0.0.0', '::'})  # noqa: S104 (to compare)


def native_addresses(conf: cfg.ConfigOpts) -> list[tuple[str, int]]:
    """Host and port of each socket for native clients."""
    if not conf.rfb.enabled:
        return []
    ports = {*own_ports(conf), conf.rfb.listen_port} - {0}
    return [(conf.rfb.host, port) for port in sorted(ports)]


def spice_addresses(conf: cfg.ConfigOpts) -> list[tuple[str, int, bool]]:
    """Host, port and TLS of each socket for native SPICE clients."""
    options = conf.spice
    if not options.direct_enabled:
        return []
    ports = (options.direct_port, False), (options.direct_tls_port, True)
    return [(options.direct_host, port, tls) for port, tls in ports if port]


def addresses(conf: cfg.ConfigOpts) -> list[tuple[str, int]]:
    """Host and port of every socket.

    :raises oslo_config.cfg.Error: two are the same; the kernel would
        distribute the connections among them
    """
    proxy = conf.proxy
    every = [(proxy.host, port) for port in proxy.ports]
    if proxy.local_port:
        every.append((proxy.local_host, proxy.local_port))
    every += native_addresses(conf)
    every += [(host, port) for host, port, _ in spice_addresses(conf)]
    hosts: dict[int, set[str]] = {}
    for host, port in every:
        others = hosts.setdefault(port, set())
        if others and (host in others or _ANY_ADDRESS & {host, *others}):
            raise cfg.Error(
                f'Port {port} is configured twice: [proxy] ports, local_port, '
                '[rfb] listen_port, [consoles] port_range and [spice] '
                'direct_port and direct_tls_port must not overlap'
            )
        others.add(host)
    return every


def listening_sockets(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on a port, which several processes can share.

    ``::`` has two, also one for IPv4: on a single socket for both, the
    addresses of IPv4 clients would be IPv6 ones (``::ffff:192.0.2.7``).

    :raises OSError: the address is in use by another program
    """
    hosts = ['::', '0.0.0.0'] if host == '::' else [host]  # noqa: S104
    with contextlib.ExitStack() as stack:
        listeners = [
            stack.enter_context(_listening_socket(it, port)) for it in hosts
        ]
        stack.pop_all()
    return listeners


def _listening_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    listener = socket.create_server(
        (host, port), family=family, backlog=_BACKLOG, reuse_port=True
    )
    # Accepted sockets inherit the options.
    for option in ACCEPTED:
        listener.setsockopt(*option)
    return listener
