# SPDX-License-Identifier: Apache-2.0

"""The compute driver that uses libvirt."""

import datetime
import logging
import socket
from collections.abc import Sequence
from typing import Any, Final

import libvirt
from oslo_config import cfg
from oslo_utils import timeutils

from console_svc import exception
from console_svc.compute import base
from console_svc.compute.libvirt import domain as domains
from console_svc.compute.libvirt import listing, vnc
from console_svc.compute.libvirt.domain import Domain
from console_svc.compute.libvirt.hosts import Host, Hosts
from console_svc.context import RequestContext
from console_svc.objects import (
    ConnectInfo,
    ConsoleType,
    Endpoint,
    Server,
)
from console_svc.protocols import rfb

LOG = logging.getLogger(__name__)

# Domain states -> server status of the compute API.
_STATUS: Final = {
    libvirt.VIR_DOMAIN_RUNNING: 'ACTIVE',
    libvirt.VIR_DOMAIN_BLOCKED: 'ACTIVE',
    libvirt.VIR_DOMAIN_PAUSED: 'PAUSED',
    libvirt.VIR_DOMAIN_PMSUSPENDED: 'SUSPENDED',
    libvirt.VIR_DOMAIN_CRASHED: 'ERROR',
}

# Server statuses without consoles.
_STOPPED: Final = frozenset({'SHUTOFF', 'ERROR'})


class LibvirtDriver(base.Driver):
    """Looks up domains on the hosts in ``[libvirt] hosts``.

    A domain's name and project are those of nova's metadata. For a domain
    without metadata, ``[libvirt] projects`` has the project.
    """

    lists_servers = True

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__(conf)
        self._hosts = Hosts(conf)

    def get_server(self, context: RequestContext, server_id: str) -> Server:
        return self._find(server_id)[1]

    def list_servers(
        self, context: RequestContext, project_id: str | None
    ) -> Sequence[Server]:
        servers: dict[str, Server] = {}
        for host, descriptions in listing.describe_all(self._hosts.all()):
            for xml, state in descriptions:
                domain = domains.parse(xml, host.name)
                server = self._server(host, domain, state)
                if server is None or project_id not in (
                    None,
                    server.project_id,
                ):
                    continue
                # During a live migration, two hosts have the domain: prefer
                # the one on which it runs.
                if server.id not in servers or server.status == 'ACTIVE':
                    servers[server.id] = server
        return [*servers.values()]

    def get_connect_info(
        self, context: RequestContext, server: Server, console_type: str
    ) -> ConnectInfo:
        _, domain = self._find_running(server.id)
        if console_type not in domain.consoles:
            raise exception.ConsoleTypeUnavailable(console_type=console_type)
        return domain.consoles[console_type]

    def open_native_console(
        self, context: RequestContext, server: Server, password: str
    ) -> Endpoint:
        host, domain = self._find_running(server.id)
        info = domain.consoles.get(ConsoleType.NOVNC)
        if domain.vnc is None or info is None:
            raise exception.NativeConsoleUnavailable(server_id=server.id)
        try:
            self._set_password(host, domain, password)
            with vnc.connect(
                info.host, info.port, self.conf.libvirt.timeout
            ) as connection:
                protected = connection.perform(rfb.is_protected())
        except (libvirt.libvirtError, rfb.RFBError) as error:
            LOG.warning(
                'The native console of server %s is not opened, because its '
                'VNC server cannot be protected by a password: %s',
                server.id,
                error,
            )
            raise exception.NativeConsoleUnprotected(
                server_id=server.id
            ) from None
        if not protected:
            # With VNC TLS but without password support, QEMU accepts the
            # password and does not ask clients for it.
            LOG.warning(
                'The native console of server %s is not opened, because its '
                'VNC server on %s does not ask for a password',
                server.id,
                info.host,
            )
            raise exception.NativeConsoleUnprotected(server_id=server.id)
        return Endpoint('vnc', info.host, info.port)

    def close_native_console(self, server_id: str, server_host: str) -> None:
        host = self._hosts.get(server_host)
        if host is None:
            return
        try:
            xml = host.call(
                lambda connection: _lookup(connection, server_id).XMLDesc()
            )
            domain = domains.parse(xml, host.name)
            info = domain.consoles.get(ConsoleType.NOVNC)
            if domain.vnc is None or info is None:
                return
            self._lock(host, domain, info)
        except libvirt.libvirtError as error:
            if error.get_error_code() not in (
                libvirt.VIR_ERR_NO_DOMAIN,
                # The domain does not run.
                libvirt.VIR_ERR_OPERATION_INVALID,
            ):
                raise exception.ServiceUnavailable(
                    'The console cannot be closed now. Try again later.'
                ) from error

    def _find_running(self, server_id: str) -> tuple[Host, Domain]:
        """Return a domain that can have consoles, and its host.

        :raises console_svc.exception.ServerNotReady: the domain is stopped
        """
        host, server, domain = self._find(server_id)
        if server.status in _STOPPED:
            raise exception.ServerNotReady(server_id=server_id)
        return host, domain

    def _find(self, server_id: str) -> tuple[Host, Server, Domain]:
        def describe(connection: Any) -> tuple[str, int]:
            found = _lookup(connection, server_id)
            return found.XMLDesc(), found.state()[0]

        host, (xml, state) = self._hosts.find(server_id, describe)
        domain = domains.parse(xml, host.name)
        server = self._server(host, domain, state)
        if server is None:
            raise exception.ServerNotFound(server_id=server_id)
        return host, server, domain

    def _server(self, host: Host, domain: Domain, state: int) -> Server | None:
        """Return the server that a domain is; None: it has no project."""
        project_id = domain.project_id or self.conf.libvirt.projects.get(
            domain.id
        )
        if project_id is None:
            return None
        return Server(
            id=domain.id,
            project_id=project_id,
            name=domain.display_name or domain.name,
            instance_name=domain.name,
            host=host.name,
            status=_STATUS.get(state, 'SHUTOFF'),
            user_id=domain.user_id,
            created=domain.created,
        )

    def _set_password(self, host: Host, domain: Domain, password: str) -> None:
        """Set the VNC password of the running domain.

        :param password: with an empty one, the VNC server refuses all clients
        :raises libvirt.libvirtError: QEMU was started without password
            support, or the domain no longer runs
        """
        valid_to = timeutils.utcnow() + datetime.timedelta(
            seconds=self.conf.libvirt.password_ttl
        )
        xml = domains.with_password(
            domain.vnc or '', password, f'{valid_to:%Y-%m-%dT%H:%M:%S}'
        )
        host.call(
            lambda connection: _lookup(
                connection, domain.id
            ).updateDeviceFlags(xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        )

    def _lock(self, host: Host, domain: Domain, info: ConnectInfo) -> None:
        """Invalidate the password and end all connections.

        A new password does not affect established connections. QEMU closes
        them when a client requests exclusive access, so this method does
        that, with a password that it does not disclose.
        """
        password = rfb.generate_password()
        self._set_password(host, domain, password)
        try:
            self._disconnect_others(host, domain, info, password)
        except (rfb.RFBError, OSError) as error:
            raise exception.ServiceUnavailable(
                'The console cannot be closed now. Try again later.'
            ) from error
        finally:
            self._set_password(host, domain, '')

    def _disconnect_others(
        self, host: Host, domain: Domain, info: ConnectInfo, password: str
    ) -> None:
        timeout = self.conf.libvirt.timeout
        descriptor = self._open_graphics(host, domain)
        if descriptor is not None:
            with socket.socket(fileno=descriptor) as stream:
                stream.settimeout(timeout)
                _connect_exclusively(vnc.Connection(stream, password))
            return
        with vnc.connect(
            info.host, info.port, timeout, password
        ) as connection:
            _connect_exclusively(connection)

    def _open_graphics(self, host: Host, domain: Domain) -> int | None:
        """Return the descriptor of a connection that skips authentication.

        Only a local libvirtd can pass descriptors. A remote one would close
        its connection to the service.
        """
        if not host.is_local:
            return None
        try:
            descriptor: int = host.call(
                lambda connection: _lookup(
                    connection, domain.id
                ).openGraphicsFD(0, libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH)
            )
        except libvirt.libvirtError:
            return None
        return descriptor


def _connect_exclusively(connection: vnc.Connection) -> None:
    connection.perform(rfb.log_in(vnc.SECURITY_TYPES))
    connection.perform(rfb.disconnect_others())


def _lookup(connection: Any, server_id: str) -> Any:
    return connection.lookupByUUIDString(server_id)
