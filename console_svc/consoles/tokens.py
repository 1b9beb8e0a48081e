# SPDX-License-Identifier: Apache-2.0

"""Console tokens: issued, looked up, revoked, purged."""

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import cachetools
import sqlalchemy as sa
from oslo_config import cfg

from console_svc import audit, exception
from console_svc.compute import Driver
from console_svc.consoles import vault
from console_svc.context import RequestContext
from console_svc.db.api import Database
from console_svc.objects import (
    NEVER,
    ConnectInfo,
    ConsoleAuthToken,
    Server,
)

_BYTES = 32

# How long, and of how many consoles, what the driver said is believed.
_TARGET_SECONDS = 3
_TARGETS = 10_000


class ConsoleAuthTokens:
    """Issues them, and knows where they lead.

    :param clock: seconds of the UTC epoch
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: Database,
        driver: Driver,
        events: audit.Audit,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._conf = conf
        self._database = database
        self._driver = driver
        self._audit = events
        self._clock = clock
        self._targets: cachetools.TTLCache[
            tuple[str, str, ConnectInfo], bool
        ] = cachetools.TTLCache(_TARGETS, _TARGET_SECONDS, timer=clock)
        self._vault = vault.Vault(conf)
        self._lock = threading.Lock()

    def issue(
        self,
        context: RequestContext,
        server: Server,
        console_type: str,
        ttl: int | None = None,
        store: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> str:
        """A new token for a server's console.

        :param console_type: which of its consoles
        :param ttl: seconds it is valid; None: as configured
        :param store: stores its row, where more is to be stored with it
        :returns: the token: 256 random bits, safe in a URL; kept nowhere
        :raises console_svc.exception.ConsoleTypeUnavailable: the server has
            no such console
        :raises console_svc.exception.ServerNotReady: not in this state
        """
        try:
            info = self._driver.get_connect_info(context, server, console_type)
        except exception.ConsoleSvcError as error:
            self._audit.refusal(
                context,
                audit.ISSUE,
                error,
                server_id=server.id,
                console_type=console_type,
            )
            raise
        token = _generate()
        now = int(self._clock())
        if ttl is None:
            ttl = self._conf.consoleauth.token_ttl
        store = store or self._database.create_token
        store(
            {
                'token_hash': hash_of(token),
                'server_id': server.id,
                'project_id': server.project_id,
                'user_id': context.user_id,
                'console_type': console_type,
                'host': info.host,
                'port': info.port,
                'tls_port': info.tls_port,
                'internal_access_path': info.internal_access_path,
                'encrypted_ticket': self._seal(info.ticket),
                'created_at': now,
                'expires': min(now + ttl, NEVER),
                'client_address': context.client_address,
            }
        )
        self._audit.success(
            context,
            audit.ISSUE,
            server_id=server.id,
            console_type=console_type,
            token=hash_of(token),
        )
        return token

    def validate(
        self, context: RequestContext, token: str
    ) -> ConsoleAuthToken:
        """What a token stands for.

        :raises console_svc.exception.TokenNotFound: nothing, or no longer
        """
        token_hash = hash_of(token)
        row = self._database.get_token(token_hash, int(self._clock()))
        found = None if row is None else self._token(token_hash, row)
        if found is None or not self._leads_there(context, found):
            error = exception.TokenNotFound()
            self._audit.refusal(
                context, audit.VALIDATE, error, token=token_hash
            )
            raise error
        self._audit.count(audit.VALIDATE)
        return found

    def revoke(self, context: RequestContext, token: str) -> None:
        """Make a token void, and end its sessions."""
        self.revoke_hash(context, hash_of(token))

    def revoke_hash(self, context: RequestContext, token_hash: str) -> None:
        """The same, of a token that nobody has."""
        ended = self._database.delete_tokens('token_hash', token_hash)
        self._audit.success(context, audit.REVOKE, token=token_hash)
        self._audit.ends(context, ended, 'revoked')

    def project_of(self, token: str) -> str:
        """The project that owns a token, expired or not.

        :raises console_svc.exception.TokenNotFound: there is none
        """
        rows = self._database.find_tokens('token_hash', hash_of(token))
        if not rows:
            raise exception.TokenNotFound
        project_id: str = rows[0]['project_id']
        return project_id

    def revoke_server(self, context: RequestContext, server_id: str) -> None:
        """Make a server's tokens void, and end its sessions.

        With the tokens go the gateway's consoles that are made of them.
        """
        ended = self._database.delete_tokens('server_id', server_id)
        self._audit.success(context, audit.REVOKE, server_id=server_id)
        self._audit.ends(context, ended, 'revoked')

    def _leads_there(
        self, context: RequestContext, token: ConsoleAuthToken
    ) -> bool:
        """Whether the console is still where the token leads."""
        if not self._conf.consoleauth.recheck_target:
            return True
        key = (token.server_id, token.console_type, token.connect_info)
        with self._lock:
            known = self._targets.get(key)
        if known is None:
            known = self._driver.leads_to_console(context, token)
            with self._lock:
                self._targets[key] = known
        return known

    def _token(self, token_hash: str, row: sa.RowMapping) -> ConsoleAuthToken:
        return ConsoleAuthToken(
            hash=token_hash,
            server_id=row['server_id'],
            project_id=row['project_id'],
            user_id=row['user_id'],
            console_type=row['console_type'],
            connect_info=ConnectInfo(
                host=row['host'],
                port=row['port'],
                tls_port=row['tls_port'],
                internal_access_path=row['internal_access_path'],
                ticket=self._unseal(row['encrypted_ticket']),
            ),
            expires=row['expires'],
            client_address=row['client_address'],
        )

    def _seal(self, ticket: str | None) -> str | None:
        """What the database may hold of a ticket, if it is ever needed."""
        if ticket is None or not self._conf.consoleauth.recheck_target:
            return None
        return self._vault.encrypt(ticket)

    def _unseal(self, sealed: str | None) -> str | None:
        """The ticket again; None: there is none that could be read."""
        if sealed is None:
            return None
        try:
            return self._vault.decrypt(sealed)
        except exception.PasswordUnreadable:
            return None


def _generate() -> str:
    """A new token; a command line would take a dash for an option's."""
    while (token := secrets.token_urlsafe(_BYTES)).startswith('-'):
        pass
    return token


def hash_of(token: str) -> str:
    """What stands for a token wherever it is stored or recorded."""
    return hashlib.sha256(token.encode()).hexdigest()
