# SPDX-License-Identifier: Apache-2.0

"""Console tokens: issue, validate, revoke."""

import dataclasses
import time
from collections.abc import Callable

from oslo_config import cfg

from console_svc import audit, exception
from console_svc.compute import Driver
from console_svc.consoles.limits import Limits
from console_svc.consoles.targets import Targets
from console_svc.consoles.terms import USUAL, Terms, check_can_be_recorded
from console_svc.consoles.token_text import generate, has_terms, hash_of
from console_svc.consoles.vault import Vault
from console_svc.context import RequestContext
from console_svc.db.database import Database
from console_svc.endings import (
    Ending,
    EndReason,
)
from console_svc.objects import (
    NEVER,
    ConsoleAuthToken,
    Server,
    SessionMode,
)


class ConsoleAuthTokens:
    """Issues, validates and revokes console tokens.

    :param clock: seconds of the UTC epoch
    :param must_record: whether sessions of a caller on a server of a project
        must be recorded, whatever the terms
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: Database,
        driver: Driver,
        vault: Vault,
        limits: Limits,
        events: audit.Audit,
        clock: Callable[[], float] = time.time,
        must_record: Callable[[RequestContext, str], bool] = lambda *_: False,
    ) -> None:
        self._must_record = must_record
        self._conf = conf
        self._database = database
        self._driver = driver
        self._limits = limits
        self._audit = events
        self._clock = clock
        self._targets = Targets(conf, driver, vault, clock)

    def issue(
        self,
        context: RequestContext,
        server: Server,
        console_type: str,
        ttl: int | None = None,
        lists_sessions: bool = False,
    ) -> str:
        """Issue a token for a server's console.

        :param ttl: seconds; None: ``[consoleauth] token_ttl``
        :param lists_sessions: whether its user may list the sessions of the
            server
        :returns: the token: 256 random bits, URL-safe, stored nowhere
        :raises console_svc.exception.ConsoleTypeUnavailable: the server has
            no console of this type
        :raises console_svc.exception.ServerNotReady: the server has no
            consoles in its current state
        :raises console_svc.over_limit.OverLimit: the project has as many
            unused tokens as it may
        """
        terms = Terms(ttl=ttl)
        return self.issue_with(
            context, server, console_type, terms, lists_sessions
        )[0]

    def issue_with(
        self,
        context: RequestContext,
        server: Server,
        console_type: str,
        terms: Terms,
        lists_sessions: bool = False,
    ) -> tuple[str, ConsoleAuthToken]:
        """Issue a token with terms, which are allowed: see :meth:`issue`.

        :returns: the token, and what is stored of it
        """
        token, prepared = self.prepare(
            context, server, console_type, terms, lists_sessions
        )
        try:
            self._database.tokens.create(
                prepared,
                int(self._clock()),
                self._conf.consoleauth.max_unused_tokens,
                self._limits.of_unused_tokens(prepared.project_id),
            )
        except exception.ConsoleSvcError as error:
            self._audit.refusal(
                context,
                audit.ISSUE,
                error,
                server_id=server.id,
                console_type=console_type,
            )
            raise
        self.record_issue(context, prepared)
        return token, prepared

    def prepare(
        self,
        context: RequestContext,
        server: Server,
        console_type: str,
        terms: Terms = USUAL,
        lists_sessions: bool = False,
    ) -> tuple[str, ConsoleAuthToken]:
        """Make a token, as :meth:`issue` does, but do not store it.

        The caller stores it, then calls :meth:`record_issue`.

        :returns: the token, and what is stored of it
        :raises console_svc.consoles.terms.NotRecordable: sessions of the
            caller must be recorded, and those of the type cannot be
        """
        try:
            if not terms.record and self._must_record(
                context, server.project_id
            ):
                check_can_be_recorded(console_type)
                terms = dataclasses.replace(terms, record=True)
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
        token = generate(terms)
        ttl = terms.ttl
        if ttl is None:
            ttl = self._conf.consoleauth.token_ttl
        return token, ConsoleAuthToken(
            token_hash=hash_of(token),
            server_id=server.id,
            project_id=server.project_id,
            user_id=context.user_id,
            console_type=console_type,
            connect_info=info,
            expires=min(int(self._clock()) + ttl, NEVER),
            client_address=context.client_address,
            encrypted_ticket=self._targets.encrypt(info.ticket),
            mode=terms.mode,
            max_uses=terms.max_uses,
            bound_address=terms.client_address,
            lists_sessions=lists_sessions,
            record=terms.record,
        )

    def record_issue(
        self, context: RequestContext, token: ConsoleAuthToken
    ) -> None:
        """Audit that a prepared token was stored."""
        self._audit.success(
            context,
            audit.ISSUE,
            server_id=token.server_id,
            console_type=token.console_type,
            token=token.token_hash,
            mode=token.mode,
        )

    def look_up(self, context: RequestContext, token: str) -> ConsoleAuthToken:
        """What a token stands for, for a proxy that opens no session with it.

        :raises console_svc.exception.TokenNotFound: it is not valid, or has
            terms that only sessions enforce
        """
        found = None if has_terms(token) else self.validate(context, token)
        # Without terms, it is view-only once control was taken from a client.
        if found is None or found.mode != SessionMode.CONTROL:
            error = exception.TokenNotFound()
            self._audit.refusal(
                context, audit.VALIDATE, error, token=hash_of(token)
            )
            raise error
        return found

    def validate(
        self, context: RequestContext, token: str, even_expired: bool = False
    ) -> ConsoleAuthToken:
        """What a token stands for.

        :param even_expired: whether one that has expired is valid
        :raises console_svc.exception.TokenNotFound: it was never issued, has
            expired, was revoked, or does not lead to its console any more
        """
        token_hash = hash_of(token)
        # No token has expired before the epoch.
        now = -1 if even_expired else int(self._clock())
        found = self._database.tokens.get(token_hash, now)
        if found is None or not self._targets.is_right(context, found):
            error = exception.TokenNotFound()
            self._audit.refusal(
                context, audit.VALIDATE, error, token=token_hash
            )
            raise error
        self._audit.count(audit.VALIDATE)
        return found

    def get_project(self, token: str) -> str:
        """The project that owns a token, expired or not.

        :raises console_svc.exception.TokenNotFound: there is no such token
        """
        project_id = self._database.tokens.get_project(hash_of(token))
        if project_id is None:
            raise exception.TokenNotFound
        return project_id

    def revoke(self, context: RequestContext, token: str) -> None:
        """Delete a token and end its sessions."""
        self.revoke_by_hash(context, hash_of(token))

    def revoke_by_hash(self, context: RequestContext, token_hash: str) -> None:
        """Delete the token that has this hash and end its sessions."""
        ending = self._revocation(context)
        ended = self._database.tokens.delete(token_hash, ending)
        self._audit.success(context, audit.REVOKE, token=token_hash)
        self._audit.ends(context, ended, ending.reason)

    def revoke_server(self, context: RequestContext, server_id: str) -> None:
        """Delete a server's tokens and end its sessions.

        The server's consoles on the gateway are deleted with their tokens.
        """
        ending = self._revocation(context)
        ended = self._database.tokens.delete_of_server(server_id, ending)
        self._audit.success(context, audit.REVOKE, server_id=server_id)
        self._audit.ends(context, ended, ending.reason)

    def _revocation(self, context: RequestContext) -> Ending:
        return Ending(EndReason.REVOKED, int(self._clock()), context.user_id)
