# SPDX-License-Identifier: Apache-2.0

"""Password-protected consoles for native VNC clients."""

import logging
import time
from collections.abc import Callable, Sequence

import sqlalchemy as sa
from oslo_config import cfg
from oslo_db import exception as db_exception

from console_svc import exception
from console_svc.compute import Driver
from console_svc.consoles import passwords
from console_svc.consoles.models import Console, Server
from console_svc.context import RequestContext
from console_svc.db.api import Database

LOG = logging.getLogger(__name__)


class NativeConsoles:
    """Opens, shows and closes them; one a server.

    :param clock: seconds of the UTC epoch
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: Database,
        driver: Driver,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._conf = conf
        self._database = database
        self._driver = driver
        self._vault = passwords.Vault(conf)
        self._clock = clock

    def list(self, server: Server) -> Sequence[sa.RowMapping]:
        """The server's consoles, without their passwords."""
        return self._rows(server)[0]

    def get(self, server: Server, console_id: int) -> Console:
        """One console, with its password.

        :raises console_svc.exception.ConsoleNotFound: the server has none
            with this id
        """
        row = self._find(server, console_id)
        return Console(
            id=row['id'],
            server_id=row['server_id'],
            server_host=row['server_host'],
            console_type=row['console_type'],
            instance_name=row['instance_name'],
            host=row['host'],
            port=row['port'],
            password=self._vault.decrypt(row['encrypted_password']),
        )

    def open(self, context: RequestContext, server: Server) -> None:
        """Open the server's console, if it isn't open.

        A console that was opened on a host which the server has left since
        is closed and forgotten.

        :raises console_svc.exception.ServerNotReady: not in this state
        :raises console_svc.exception.NativeConsoleUnavailable: it has none
        """
        if server.host is None:
            raise exception.ServerNotReady(server_id=server.id)
        here, elsewhere = self._rows(server)
        for row in elsewhere:
            self._forget(row)
        if here:
            return
        password = passwords.generate()
        encrypted = self._vault.encrypt(password)
        endpoint = self._driver.open_native_console(context, server, password)
        try:
            self._database.create_console(
                {
                    'server_id': server.id,
                    'server_host': server.host,
                    'console_type': endpoint.console_type,
                    'instance_name': server.instance_name,
                    'host': endpoint.host
                    or self._conf.consoles.public_hostname,
                    'port': endpoint.port,
                    'encrypted_password': encrypted,
                    'created_at': int(self._clock()),
                }
            )
        except db_exception.DBDuplicateEntry:
            self._agree(context, server)
        except Exception:
            self._driver.close_native_console(server.id, server.host)
            raise

    def close(self, server: Server, console_id: int) -> None:
        """Close a console: its password is void when this returns.

        :raises console_svc.exception.ConsoleNotFound: the server has none
            with this id
        """
        self._close(self._find(server, console_id))

    def purge(
        self,
        context: RequestContext,
        batch: int = 1000,
        max_seconds: float | None = None,
    ) -> int:
        """Close the consoles of servers that are gone, or have moved.

        A host that is away keeps its servers' consoles; the next purge tries
        again.

        :param context: whom the driver is asked for; sees every server
        :param batch: servers looked at between two queries
        :param max_seconds: begin with no server after these
        :returns: how many were closed
        """
        started = time.monotonic()
        purged = 0
        last = ''
        while page := self._database.list_servers_with_consoles(last, batch):
            for last in page:
                if (
                    max_seconds is not None
                    and time.monotonic() - started >= max_seconds
                ):
                    return purged
                try:
                    purged += self._purge_server(context, last)
                except exception.ServiceUnavailable as error:
                    LOG.warning('Server %s is not looked at: %s', last, error)
        return purged

    def _purge_server(self, context: RequestContext, server_id: str) -> int:
        try:
            host = self._driver.get_server(context, server_id).host
        except exception.ServerNotFound:
            host = None
        rows = [
            row
            for row in self._database.list_consoles(server_id)
            if row['server_host'] != host
        ]
        for row in rows:
            self._close(row)
        return len(rows)

    def _agree(self, context: RequestContext, server: Server) -> None:
        """Another create won the race: the password is the one it stored."""
        for row in self.list(server):
            self._driver.open_native_console(
                context, server, self._vault.decrypt(row['encrypted_password'])
            )

    def _rows(
        self, server: Server
    ) -> tuple[Sequence[sa.RowMapping], Sequence[sa.RowMapping]]:
        """The consoles on the server's host, and on those it has left."""
        rows = self._database.list_consoles(server.id)
        return (
            [row for row in rows if row['server_host'] == server.host],
            [row for row in rows if row['server_host'] != server.host],
        )

    def _forget(self, row: sa.RowMapping) -> None:
        """Close a console on a host which its server has left."""
        try:
            self._close(row)
        except exception.ServiceUnavailable as error:
            # A dead host must not keep its servers' new consoles shut; the
            # purge tries again.
            LOG.warning(
                'Console %s of server %s on %s is not closed yet: %s',
                row['id'],
                row['server_id'],
                row['server_host'],
                error,
            )

    def _find(self, server: Server, console_id: int) -> sa.RowMapping:
        for row in self.list(server):
            if row['id'] == console_id:
                return row
        raise exception.ConsoleNotFound(server_id=server.id)

    def _close(self, row: sa.RowMapping) -> None:
        self._driver.close_native_console(row['server_id'], row['server_host'])
        self._database.delete_console(row['id'])
