# SPDX-License-Identifier: Apache-2.0

"""Password-protected consoles for native clients.

A console is opened on the hypervisor, by the driver, or on the gateway.
"""

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence

from oslo_config import cfg

from console_svc import audit, exception
from console_svc.compute import Driver
from console_svc.consoles.native.on_gateway import OnGateway
from console_svc.consoles.native.on_hypervisor import OnHypervisor
from console_svc.consoles.tokens import ConsoleAuthTokens
from console_svc.consoles.vault import Vault
from console_svc.context import RequestContext
from console_svc.db.database import Database
from console_svc.objects import NativeConsole, Server

LOG = logging.getLogger(__name__)


class NativeConsoles:
    """Opens, shows and closes native consoles; a server has one at most.

    :param clock: seconds of the UTC epoch
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: Database,
        driver: Driver,
        vault: Vault,
        tokens: ConsoleAuthTokens,
        events: audit.Audit,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._audit = events
        self._database = database
        self._vault = vault
        self._clock = clock
        self._on_hypervisor = OnHypervisor(
            conf, database, driver, vault, clock
        )
        self._on_gateway = OnGateway(conf, database, vault, tokens, clock)
        by_driver = driver.opens_native_consoles
        if conf.consoles.mode is not None:
            by_driver = conf.consoles.mode == 'driver'
        self._opener = self._on_hypervisor if by_driver else self._on_gateway

    def list(self, server: Server) -> Sequence[NativeConsole]:
        """The server's consoles."""
        return self._split(server)[0]

    def get(
        self, context: RequestContext, server: Server, console_id: int
    ) -> tuple[NativeConsole, str]:
        """One console, with its current host and port, and its password.

        The audit records who has read the password.

        :raises console_svc.exception.ConsoleNotFound: the server has no
            console with this id
        :raises console_svc.exception.PasswordUnreadable: no key fits
        :raises console_svc.exception.ServiceUnavailable: the key file cannot
            be used
        """
        console = self._find(server, console_id)
        host, port = self._opener_of(console).endpoint(console)
        try:
            password = self._vault.decrypt(console.encrypted_password)
        except exception.ConsoleSvcError as error:
            self._audit.refusal(
                context, audit.SHOW_PASSWORD, error, **_target(console)
            )
            raise
        self._audit.success(context, audit.SHOW_PASSWORD, **_target(console))
        return dataclasses.replace(console, host=host, port=port), password

    def open(
        self,
        context: RequestContext,
        server: Server,
        lists_sessions: bool = False,
    ) -> None:
        """Open the server's console unless it is open.

        A console that has expired, or that was opened on a host which the
        server has left, is closed first.

        :param lists_sessions: as of :meth:`.ConsoleAuthTokens.issue`
        :raises console_svc.exception.ServerNotReady: the server has no
            consoles in its current state
        :raises console_svc.exception.NativeConsoleUnavailable: the server
            has no native console
        :raises console_svc.exception.ServiceUnavailable: the gateway has no
            free port, or the host does not answer
        """
        try:
            opened = self._open(context, server, lists_sessions)
        except exception.ConsoleSvcError as error:
            self._audit.refusal(
                context, audit.OPEN_NATIVE, error, server_id=server.id
            )
            raise
        if opened is not None:
            self._audit.success(context, audit.OPEN_NATIVE, **_target(opened))

    def _open(
        self, context: RequestContext, server: Server, lists_sessions: bool
    ) -> NativeConsole | None:
        """Open the server's console; None: it is open already."""
        if server.host is None:
            raise exception.ServerNotReady(server_id=server.id)
        current, stale = self._split(server)
        for console in stale:
            self._close_stale(context, console)
        if current:
            return None
        return self._opener.open(context, server, server.host, lists_sessions)

    def close(
        self, context: RequestContext, server: Server, console_id: int
    ) -> None:
        """Close a console: its password is void when this returns.

        :raises console_svc.exception.ConsoleNotFound: the server has no
            console with this id
        """
        console = self._find(server, console_id)
        try:
            self.discard(context, console)
        except exception.ConsoleSvcError as error:
            self._audit.refusal(
                context, audit.DELETE_NATIVE, error, **_target(console)
            )
            raise

    def discard(
        self,
        context: RequestContext,
        console: NativeConsole,
        reason: str | None = None,
    ) -> None:
        """Close a console, whether or not its server still exists.

        :param reason: for the audit, why the service itself closes it
        :raises console_svc.exception.ServiceUnavailable: its host does not
            answer
        """
        self._opener_of(console).close(context, console)
        self._audit.success(
            context, audit.DELETE_NATIVE, **_target(console), reason=reason
        )

    def _opener_of(self, console: NativeConsole) -> OnHypervisor | OnGateway:
        """What has opened this console, whatever is configured now."""
        on_gateway = console.token_hash is not None
        return self._on_gateway if on_gateway else self._on_hypervisor

    def _split(
        self, server: Server
    ) -> tuple[Sequence[NativeConsole], Sequence[NativeConsole]]:
        """The server's current consoles, and the stale ones."""
        now = int(self._clock())
        consoles = self._database.native_consoles.list(server.id)
        stale = [it for it in consoles if it.is_stale(server.host, now)]
        return [it for it in consoles if it not in stale], stale

    def _find(self, server: Server, console_id: int) -> NativeConsole:
        for console in self.list(server):
            if console.id == console_id:
                return console
        raise exception.ConsoleNotFound(server_id=server.id)

    def _close_stale(
        self, context: RequestContext, console: NativeConsole
    ) -> None:
        try:
            self.discard(context, console, 'stale')
        except exception.ServiceUnavailable as error:
            # A dead host must not prevent the new console.
            LOG.warning(
                'Native console %d of server %s stays open on host %s until '
                'the next purge: %s',
                console.id,
                console.server_id,
                console.server_host,
                error,
            )


def _target(console: NativeConsole) -> dict[str, object]:
    """A console, as the audit names it."""
    return {
        'server_id': console.server_id,
        'console_type': console.console_type,
        'console_id': console.id,
        'token': console.token_hash,
    }
