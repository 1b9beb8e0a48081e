# SPDX-License-Identifier: Apache-2.0

"""Native consoles on the gateway, to which clients log in by password.

Each is based on a console token that is never handed out. Sessions are opened,
counted, listed and ended by it as by any other token, and the console is
deleted when its token is revoked or purged.
"""

import dataclasses
import random
from collections.abc import Callable

from oslo_config import cfg
from oslo_db import exception as db_exception

from console_svc import exception
from console_svc.conf.consoles import own_ports
from console_svc.consoles.terms import Terms
from console_svc.consoles.tokens import ConsoleAuthTokens
from console_svc.consoles.vault import Vault
from console_svc.context import RequestContext
from console_svc.db.database import Database
from console_svc.objects import (
    NATIVE_TYPE,
    NEVER,
    ConsoleAuthToken,
    ConsoleType,
    NativeConsole,
    Server,
)
from console_svc.protocols import rfb


class OnGateway:
    """Opens and closes native consoles on the gateway.

    :param tokens: make the tokens on which consoles are based
    :param clock: seconds of the UTC epoch
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: Database,
        vault: Vault,
        tokens: ConsoleAuthTokens,
        clock: Callable[[], float],
    ) -> None:
        self._conf = conf
        self._database = database
        self._vault = vault
        self._tokens = tokens
        self._clock = clock
        self._ports = own_ports(conf)

    def endpoint(self, console: NativeConsole) -> tuple[str, int]:
        """Host and port to which a native client connects."""
        return self._endpoint(console.gateway_port)

    def open(
        self,
        context: RequestContext,
        server: Server,
        host: str,
        lists_sessions: bool,
    ) -> NativeConsole | None:
        """Open a server's console, unless a concurrent request has done so.

        :param host: the compute host that runs the server
        :param lists_sessions: as of :meth:`.ConsoleAuthTokens.issue`
        :returns: the console; None: it is that of the other request
        :raises console_svc.exception.NativeConsoleUnavailable: the server
            has no VNC console, or the gateway has no ports
        :raises console_svc.exception.ServerNotReady: the server has no
            consoles in its current state
        :raises console_svc.exception.ServiceUnavailable: no port is free, or
            the key file cannot be used
        """
        if not self._ports and not self._conf.rfb.listen_port:
            raise exception.NativeConsoleUnavailable(server_id=server.id)
        encrypted = self._vault.encrypt(rfb.generate_password())
        try:
            _, token = self._tokens.prepare(
                context,
                server,
                ConsoleType.NOVNC,
                Terms(ttl=self._conf.consoles.native_ttl or NEVER),
                lists_sessions,
            )
        except exception.ConsoleTypeUnavailable:
            raise exception.NativeConsoleUnavailable(
                server_id=server.id
            ) from None
        # Not one of the user's tokens: limits of these do not count it.
        token = dataclasses.replace(token, console_type=NATIVE_TYPE)
        console = self._store(server, host, encrypted, token)
        if console is not None:
            self._tokens.record_issue(context, token)
        return console

    def close(self, context: RequestContext, console: NativeConsole) -> None:
        """Refuse new log-ins and end sessions.

        The sessions of an expired console continue, as those of an expired
        token do.
        """
        token_hash = console.token_hash or ''
        if console.has_expired(int(self._clock())):
            self._database.native_consoles.delete_on_gateway(token_hash)
        else:
            self._tokens.revoke_by_hash(context, token_hash)

    def _endpoint(self, own_port: int | None) -> tuple[str, int]:
        return (
            self._conf.consoles.public_hostname,
            own_port or self._conf.rfb.listen_port,
        )

    def _store(
        self,
        server: Server,
        server_host: str,
        encrypted: str,
        token: ConsoleAuthToken,
    ) -> NativeConsole | None:
        """Store a console with its token, on a free port.

        :returns: what was stored; None: the server has a console
        :raises console_svc.exception.ServiceUnavailable: no port is free
        """
        while True:
            own_port = self._free_port() if self._ports else None
            is_full = bool(self._ports) and own_port is None
            host, port = self._endpoint(own_port)
            console = NativeConsole(
                server_id=server.id,
                server_host=server_host,
                console_type=NATIVE_TYPE,
                instance_name=server.instance_name,
                host=host,
                port=port,
                encrypted_password=encrypted,
                gateway_port=own_port,
                token_hash=token.token_hash,
                expires=None if token.expires == NEVER else token.expires,
            )
            if not is_full and self._try_to_store(console, token):
                return console
            # A concurrent request has taken the server or the port.
            others = self._database.native_consoles.list(server.id)
            if any(it.server_host == server_host for it in others):
                return None
            if is_full:
                raise exception.ServiceUnavailable(
                    'All ports for consoles are in use.'
                )

    def _try_to_store(
        self, console: NativeConsole, token: ConsoleAuthToken
    ) -> bool:
        """Store them, unless the server or the port has a console.

        :returns: whether they were stored
        """
        try:
            self._database.native_consoles.create_on_gateway(
                console, token, int(self._clock())
            )
        except db_exception.DBDuplicateEntry:
            return False
        return True

    def _free_port(self) -> int | None:
        """A port for a new console; an expired console is deleted for it.

        :returns: None: all ports are in use
        """
        now = int(self._clock())
        taken = {
            it.port: it for it in self._database.native_consoles.list_ports()
        }
        free = [
            port
            for port in self._ports
            if port not in taken or taken[port].has_expired(now)
        ]
        if not free:
            return None
        # A random one, so that concurrent requests rarely take the same.
        port = random.choice(free)  # noqa: S311 (not a secret)
        if port in taken:
            self._database.native_consoles.delete_on_gateway(
                taken[port].token_hash
            )
        return port
