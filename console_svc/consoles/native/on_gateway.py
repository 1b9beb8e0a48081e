# SPDX-License-Identifier: Apache-2.0

"""Native consoles on the gateway: what there is to log in to.

Underneath each is a console token that nobody has: by it sessions are opened,
counted, listed and ended as those of any other token, and it takes its
console along when it is revoked or purged.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from oslo_config import cfg
from oslo_db import exception as db_exception

from console_svc import exception
from console_svc.conf.consoles import own_ports
from console_svc.consoles import vault
from console_svc.consoles.tokens import ConsoleAuthTokens
from console_svc.context import RequestContext
from console_svc.db.api import Database
from console_svc.objects import (
    NATIVE_TYPE,
    NEVER,
    ConsoleType,
    Server,
)


class _IsOpen(Exception):
    """Another create won the race."""


class GatewayConsoles:
    """Opens and closes them.

    :param tokens: for what is underneath
    :param clock: seconds of the UTC epoch
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: Database,
        tokens: ConsoleAuthTokens,
        clock: Callable[[], float],
    ) -> None:
        self._conf = conf
        self._database = database
        self._tokens = tokens
        self._clock = clock
        self._vault = vault.Vault(conf)
        self._ports = own_ports(conf)

    def endpoint(self, port: int | None) -> tuple[str, int]:
        """Where a client finds a console.

        :param port: its own; None: it has none
        """
        return (
            self._conf.consoles.public_hostname,
            port or self._conf.rfb.listen_port,
        )

    def open(self, context: RequestContext, server: Server) -> None:
        """Open a server's console, unless somebody else has since.

        :raises console_svc.exception.NativeConsoleUnavailable: it has none
        :raises console_svc.exception.ServiceUnavailable: no port is left
        """
        if not self._ports and not self._conf.rfb.listen_port:
            raise exception.NativeConsoleUnavailable(server_id=server.id)
        encrypted = self._vault.encrypt(vault.generate())

        def store(token: Mapping[str, Any]) -> None:
            self._store(server, encrypted, token)

        try:
            self._tokens.issue(
                context,
                server,
                ConsoleType.NOVNC,
                self._conf.consoles.native_ttl or NEVER,
                store,
            )
        except exception.ConsoleTypeUnavailable:
            raise exception.NativeConsoleUnavailable(
                server_id=server.id
            ) from None
        except _IsOpen:
            pass

    def close(self, context: RequestContext, row: sa.RowMapping) -> None:
        """Close a console: nobody logs in any more, and who has is out.

        Sessions of one that is over go on, as those of a token do.
        """
        if is_over(row, int(self._clock())):
            self._database.forget_gateway_console(row['token_hash'])
        else:
            self._tokens.revoke_hash(context, row['token_hash'])

    def _store(
        self, server: Server, encrypted: str, token: Mapping[str, Any]
    ) -> None:
        """Store a console with its token, on a port that nobody has.

        :raises _IsOpen: the server has one
        :raises console_svc.exception.ServiceUnavailable: all have one
        """
        while True:
            own_port = self._free_port() if self._ports else None
            is_full = bool(self._ports) and own_port is None
            if not is_full and self._is_stored(
                server, encrypted, token, own_port
            ):
                return
            # Somebody else has been quicker: at this server, or at its port.
            rows = self._database.list_consoles(server.id)
            if any(row['server_host'] == server.host for row in rows):
                raise _IsOpen
            if is_full:
                raise exception.ServiceUnavailable(
                    'All ports for consoles are in use.'
                )

    def _is_stored(
        self,
        server: Server,
        encrypted: str,
        token: Mapping[str, Any],
        own_port: int | None,
    ) -> bool:
        """Store them, if neither server nor port have a console."""
        host, port = self.endpoint(own_port)
        expires = token['expires']
        try:
            self._database.create_gateway_console(
                {
                    'server_id': server.id,
                    'server_host': server.host,
                    'console_type': NATIVE_TYPE,
                    'instance_name': server.instance_name,
                    'host': host,
                    'port': port,
                    'encrypted_password': encrypted,
                    'created_at': token['created_at'],
                    'gateway_port': own_port,
                    'token_hash': token['token_hash'],
                    'expires': None if expires == NEVER else expires,
                },
                token,
            )
        except db_exception.DBDuplicateEntry:
            return False
        return True

    def _free_port(self) -> int | None:
        """A port that no console has; None: all have one."""
        now = int(self._clock())
        taken = {
            row['gateway_port']: row
            for row in self._database.list_gateway_ports()
        }
        free = [
            port
            for port in self._ports
            if port not in taken or is_over(taken[port], now)
        ]
        if not free:
            return None
        # Any: who creates at the same time most likely takes another one.
        port = random.choice(free)  # noqa: S311 (no secret)
        if port in taken:
            self._database.forget_gateway_console(taken[port]['token_hash'])
        return port


def is_over(row: sa.RowMapping, now: int) -> bool:
    """Whether a console has expired, or has no use left."""
    return row['expires'] is not None and row['expires'] <= now
