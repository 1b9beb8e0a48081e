# SPDX-License-Identifier: Apache-2.0

"""The compute driver that reads an inventory file.

It is the default, and meant for labs, bare metal and tests. It does not open
native consoles: those that the inventory lists exist already.
"""

from collections.abc import Sequence

from oslo_config import cfg

from console_svc import exception
from console_svc.compute import base, inventory
from console_svc.context import RequestContext
from console_svc.objects import ConnectInfo, Endpoint, Server
from console_svc.watched_file import WatchedFile

ACTIVE = 'ACTIVE'


class StaticDriver(base.Driver):
    """Reads servers from the file that ``[static] inventory`` names."""

    lists_servers = True

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__(conf)
        self._file = WatchedFile(conf.static.inventory, inventory.load)

    def get_server(self, context: RequestContext, server_id: str) -> Server:
        return self._entry(server_id).server

    def list_servers(
        self, context: RequestContext, project_id: str | None
    ) -> Sequence[Server]:
        found = self._inventory()
        if project_id is None:
            return found.servers
        return found.projects.get(project_id, ())

    def get_connect_info(
        self, context: RequestContext, server: Server, console_type: str
    ) -> ConnectInfo:
        consoles = self._running_entry(server).consoles
        if console_type not in consoles:
            raise exception.ConsoleTypeUnavailable(console_type=console_type)
        return consoles[console_type]

    def open_native_console(
        self, context: RequestContext, server: Server, password: str
    ) -> Endpoint:
        native = self._running_entry(server).native
        if native is None:
            raise exception.NativeConsoleUnavailable(server_id=server.id)
        return native

    def close_native_console(self, server_id: str, server_host: str) -> None:
        """Do nothing: opening a native console changes nothing either."""

    def _running_entry(self, server: Server) -> inventory.Entry:
        entry = self._entry(server.id)
        if entry.server.status != ACTIVE:
            raise exception.ServerNotReady(server_id=server.id)
        return entry

    def _entry(self, server_id: str) -> inventory.Entry:
        entries = self._inventory().entries
        if server_id not in entries:
            raise exception.ServerNotFound(server_id=server_id)
        return entries[server_id]

    def _inventory(self) -> inventory.Inventory:
        try:
            return self._file.get()
        except ValueError as error:
            raise exception.ServiceUnavailable(
                'The inventory of servers cannot be read.'
            ) from error
