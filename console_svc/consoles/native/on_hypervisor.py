# SPDX-License-Identifier: Apache-2.0

"""Native consoles on the hypervisor, which the driver opens."""

from collections.abc import Callable

from oslo_config import cfg
from oslo_db import exception as db_exception

from console_svc.compute import Driver
from console_svc.consoles.vault import Vault
from console_svc.context import RequestContext
from console_svc.db.database import Database
from console_svc.objects import NativeConsole, Server
from console_svc.protocols import rfb


class OnHypervisor:
    """Opens and closes native consoles through the driver.

    :param clock: seconds of the UTC epoch
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: Database,
        driver: Driver,
        vault: Vault,
        clock: Callable[[], float],
    ) -> None:
        self._conf = conf
        self._database = database
        self._driver = driver
        self._vault = vault
        self._clock = clock

    def endpoint(self, console: NativeConsole) -> tuple[str, int]:
        """Host and port to which a native client connects."""
        return console.host, console.port

    def open(
        self,
        context: RequestContext,
        server: Server,
        host: str,
        lists_sessions: bool,
    ) -> NativeConsole | None:
        """Open a server's console, unless a concurrent request has done so.

        :param host: the compute host that runs the server
        :param lists_sessions: has no meaning: there are no sessions here
        :returns: the console; None: it is that of the other request
        :raises console_svc.exception.NativeConsoleUnavailable: the server
            has no native console
        :raises console_svc.exception.ServerNotReady: the server has no
            consoles in its current state
        :raises console_svc.exception.ServiceUnavailable: the host does not
            answer, or the key file cannot be used
        """
        password = rfb.generate_password()
        encrypted = self._vault.encrypt(password)
        endpoint = self._driver.open_native_console(context, server, password)
        console = NativeConsole(
            server_id=server.id,
            server_host=host,
            console_type=endpoint.console_type,
            instance_name=server.instance_name,
            host=endpoint.host or self._conf.consoles.public_hostname,
            port=endpoint.port,
            encrypted_password=encrypted,
        )
        try:
            self._database.native_consoles.create(console, int(self._clock()))
        except db_exception.DBDuplicateEntry:
            self._restore_password(context, server, host)
            return None
        except Exception:
            self._driver.close_native_console(server.id, host)
            raise
        return console

    def close(self, context: RequestContext, console: NativeConsole) -> None:
        """Void a console's password and disconnect its clients.

        :raises console_svc.exception.ServiceUnavailable: the host does not
            answer
        """
        self._driver.close_native_console(
            console.server_id, console.server_host
        )
        self._database.native_consoles.delete(console.id)

    def _restore_password(
        self, context: RequestContext, server: Server, host: str
    ) -> None:
        """Set the password that a concurrent request has stored."""
        for console in self._database.native_consoles.list(server.id):
            if console.server_host == host:
                self._driver.open_native_console(
                    context,
                    server,
                    self._vault.decrypt(console.encrypted_password),
                )
