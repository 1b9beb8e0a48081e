# SPDX-License-Identifier: Apache-2.0

"""Which domain is this, and where are its consoles?"""

import datetime
import logging
import socket
from typing import Any, Final

import libvirt
from oslo_config import cfg
from oslo_utils import timeutils

from console_svc import exception
from console_svc.compute import base
from console_svc.compute.libvirt import domain as domains
from console_svc.compute.libvirt import vnc
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

# The compute API's name for a domain's state.
_STATUS: Final = {
    libvirt.VIR_DOMAIN_RUNNING: 'ACTIVE',
    libvirt.VIR_DOMAIN_BLOCKED: 'ACTIVE',
    libvirt.VIR_DOMAIN_PAUSED: 'PAUSED',
    libvirt.VIR_DOMAIN_PMSUSPENDED: 'SUSPENDED',
    libvirt.VIR_DOMAIN_CRASHED: 'ERROR',
}

# In these it has no console.
_STOPPED: Final = frozenset({'SHUTOFF', 'ERROR'})


class LibvirtDriver(base.Driver):
    """Domains of the hosts in ``[libvirt]``.

    A domain's project and name are what nova has noted in its metadata, else
    ``[libvirt] projects`` names the project.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__(conf)
        self._hosts = Hosts(conf)

    def get_server(self, context: RequestContext, server_id: str) -> Server:
        return self._find(server_id)[1]

    def get_connect_info(
        self, context: RequestContext, server: Server, console_type: str
    ) -> ConnectInfo:
        _, domain = self._running(server.id)
        if console_type not in domain.consoles:
            raise exception.ConsoleTypeUnavailable(console_type=console_type)
        return domain.consoles[console_type]

    def open_native_console(
        self, context: RequestContext, server: Server, password: str
    ) -> Endpoint:
        host, domain = self._running(server.id)
        info = domain.consoles.get(ConsoleType.NOVNC)
        if domain.vnc is None or info is None:
            raise exception.NativeConsoleUnavailable(server_id=server.id)
        try:
            self._set_password(host, domain, password)
            with vnc.connected(
                info.host, info.port, self.conf.libvirt.timeout
            ) as line:
                protected = line.perform(rfb.is_protected())
        except (libvirt.libvirtError, rfb.RFBError) as error:
            LOG.warning(
                'Server %s gets no native console, as it cannot be protected '
                'by a password: %s',
                server.id,
                error,
            )
            raise exception.NativeConsoleUnprotected(
                server_id=server.id
            ) from None
        if not protected:
            # With VNC TLS and no password support QEMU takes the password
            # and asks for none.
            LOG.warning(
                'Server %s gets no native console: its VNC server on %s asks '
                'for no password',
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
            self._cut(host, domain, info)
        except libvirt.libvirtError as error:
            if error.get_error_code() not in (
                libvirt.VIR_ERR_NO_DOMAIN,
                # It does not run.
                libvirt.VIR_ERR_OPERATION_INVALID,
            ):
                raise exception.ServiceUnavailable(
                    'The console cannot be closed now.'
                ) from error

    def _running(self, server_id: str) -> tuple[Host, Domain]:
        """The domain, while it can have consoles."""
        host, server, domain = self._find(server_id)
        if server.status in _STOPPED:
            raise exception.ServerNotReady(server_id=server_id)
        return host, domain

    def _find(self, server_id: str) -> tuple[Host, Server, Domain]:
        def look(connection: Any) -> tuple[str, int]:
            found = _lookup(connection, server_id)
            return found.XMLDesc(), found.state()[0]

        host, (xml, state) = self._hosts.find(server_id, look)
        domain = domains.parse(xml, host.name)
        project_id = domain.project_id or self.conf.libvirt.projects.get(
            domain.id
        )
        if project_id is None:
            raise exception.ServerNotFound(server_id=server_id)
        server = Server(
            id=domain.id,
            project_id=project_id,
            name=domain.display_name or domain.name,
            instance_name=domain.name,
            host=host.name,
            status=_STATUS.get(state, 'SHUTOFF'),
        )
        return host, server, domain

    def _set_password(self, host: Host, domain: Domain, password: str) -> None:
        """Set it on the live domain; '' locks.

        :raises libvirt.libvirtError: QEMU was started without password
            support, or the domain is gone
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

    def _cut(self, host: Host, domain: Domain, info: ConnectInfo) -> None:
        """Void the password, and end the connections that it has let in.

        QEMU ends the others when somebody comes who does not share; that is
        us, with a password that nobody else ever sees.
        """
        password = rfb.generate_password()
        self._set_password(host, domain, password)
        try:
            self._be_alone(host, domain, info, password)
        except (rfb.RFBError, OSError) as error:
            raise exception.ServiceUnavailable(
                'The console cannot be closed now.'
            ) from error
        finally:
            self._set_password(host, domain, '')

    def _be_alone(
        self, host: Host, domain: Domain, info: ConnectInfo, password: str
    ) -> None:
        timeout = self.conf.libvirt.timeout
        descriptor = self._descriptor(host, domain)
        if descriptor is not None:
            with socket.socket(fileno=descriptor) as stream:
                stream.settimeout(timeout)
                _be_alone(vnc.Line(stream, password))
            return
        with vnc.connected(info.host, info.port, timeout, password) as line:
            _be_alone(line)

    def _descriptor(self, host: Host, domain: Domain) -> int | None:
        """A connection past authentication, which a local daemon can give.

        A remote one ends the whole connection to it when it is asked.
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


def _be_alone(line: vnc.Line) -> None:
    line.perform(rfb.log_in(vnc.ANYTHING))
    line.perform(rfb.disconnect_others())


def _lookup(connection: Any, server_id: str) -> Any:
    return connection.lookupByUUIDString(server_id)
