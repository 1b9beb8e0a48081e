# SPDX-License-Identifier: Apache-2.0

"""Password-protected consoles for native VNC clients.

A console is opened by the compute driver, or on the gateway.
"""

import logging
import time
from collections.abc import Callable, Sequence

import sqlalchemy as sa
from oslo_config import cfg
from oslo_db import exception as db_exception

from console_svc import exception
from console_svc.compute import Driver
from console_svc.consoles import vault
from console_svc.consoles.native.on_gateway import (
    GatewayConsoles,
    is_over,
)
from console_svc.consoles.tokens import ConsoleAuthTokens
from console_svc.context import RequestContext
from console_svc.db.api import Database
from console_svc.objects import Console, Server

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
        tokens: ConsoleAuthTokens,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._conf = conf
        self._database = database
        self._driver = driver
        self._gateway = GatewayConsoles(conf, database, tokens, clock)
        self._by_driver = driver.opens_native_consoles
        if conf.consoles.mode is not None:
            self._by_driver = conf.consoles.mode == 'driver'
        self._vault = vault.Vault(conf)
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
        host, port = row['host'], row['port']
        if _is_gateways(row):
            host, port = self._gateway.endpoint(row['gateway_port'])
        return Console(
            id=row['id'],
            server_id=row['server_id'],
            server_host=row['server_host'],
            console_type=row['console_type'],
            instance_name=row['instance_name'],
            host=host,
            port=port,
            password=self._vault.decrypt(row['encrypted_password']),
        )

    def open(self, context: RequestContext, server: Server) -> None:
        """Open the server's console, if it isn't open.

        A console that was opened on a host which the server has left since
        is closed and forgotten, as is one that is over.

        :raises console_svc.exception.ServerNotReady: not in this state
        :raises console_svc.exception.NativeConsoleUnavailable: it has none
        :raises console_svc.exception.ServiceUnavailable: the gateway has no
            port left
        """
        if server.host is None:
            raise exception.ServerNotReady(server_id=server.id)
        here, over = self._rows(server)
        for row in over:
            self._forget(context, row)
        if here:
            return
        if self._by_driver:
            self._open(context, server, server.host)
        else:
            self._gateway.open(context, server)

    def _open(
        self, context: RequestContext, server: Server, host: str
    ) -> None:
        """Have the driver open a console, and store it."""
        password = vault.generate()
        encrypted = self._vault.encrypt(password)
        endpoint = self._driver.open_native_console(context, server, password)
        try:
            self._database.create_console(
                {
                    'server_id': server.id,
                    'server_host': host,
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
            self._driver.close_native_console(server.id, host)
            raise

    def close(
        self, context: RequestContext, server: Server, console_id: int
    ) -> None:
        """Close a console: its password is void when this returns.

        :raises console_svc.exception.ConsoleNotFound: the server has none
            with this id
        """
        self._close(context, self._find(server, console_id))

    def purge(
        self,
        context: RequestContext,
        batch: int = 1000,
        max_seconds: float | None = None,
    ) -> int:
        """Close consoles that are over, or whose server is gone or has moved.

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
                except (
                    exception.ServiceUnavailable,
                    exception.Refused,
                ) as error:
                    LOG.warning(
                        'The purge leaves the consoles of server %s for the '
                        'next time: %s',
                        last,
                        error,
                    )
        return purged

    def _purge_server(self, context: RequestContext, server_id: str) -> int:
        try:
            host = self._driver.get_server(context, server_id).host
        except exception.ServerNotFound:
            host = None
        now = int(self._clock())
        rows = [
            row
            for row in self._database.list_consoles(server_id)
            if row['server_host'] != host or is_over(row, now)
        ]
        for row in rows:
            self._close(context, row)
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
        """The server's consoles, and those that are such no more.

        These were opened on a host that it has left, or are over.
        """
        now = int(self._clock())

        def is_there(row: sa.RowMapping) -> bool:
            return row['server_host'] == server.host and not (
                is_over(row, now)
            )

        rows = self._database.list_consoles(server.id)
        return (
            [row for row in rows if is_there(row)],
            [row for row in rows if not is_there(row)],
        )

    def _forget(self, context: RequestContext, row: sa.RowMapping) -> None:
        """Close a console that is the server's no more."""
        try:
            self._close(context, row)
        except exception.ServiceUnavailable as error:
            # A dead host must not keep its servers' new consoles shut; the
            # purge tries again.
            LOG.warning(
                'Console %s of server %s is left open on %s until the next '
                'purge: %s',
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

    def _close(self, context: RequestContext, row: sa.RowMapping) -> None:
        if _is_gateways(row):
            self._gateway.close(context, row)
            return
        self._driver.close_native_console(row['server_id'], row['server_host'])
        self._database.delete_console(row['id'])


def _is_gateways(row: sa.RowMapping) -> bool:
    """Whether a console is on the gateway; it stays what it was opened as."""
    return row['token_hash'] is not None
