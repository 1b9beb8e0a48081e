# SPDX-License-Identifier: Apache-2.0

"""Console sessions: who is on a console now.

A proxy opens one with a token before it connects anybody, keeps it alive,
and learns there that it was ended. A session that is ended is a row that is
gone; what was, is in the audit.
"""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oslo_config import cfg
from oslo_utils import uuidutils

from console_svc import addresses, audit, exception
from console_svc.consoles.tokens import ConsoleAuthTokens, hash_of
from console_svc.context import RequestContext
from console_svc.db import api as db
from console_svc.db.api import Database
from console_svc.objects import (
    NEVER,
    ConsoleAuthToken,
    ConsoleSession,
    ConsoleType,
    Server,
)


class ConsoleSessions:
    """Opens, keeps, lists and ends them.

    :param clock: seconds of the UTC epoch
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: Database,
        tokens: ConsoleAuthTokens,
        events: audit.Audit,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._conf = conf
        self._database = database
        self._tokens = tokens
        self._audit = events
        self._clock = clock

    def open(
        self, context: RequestContext, token: str, client_address: str | None
    ) -> tuple[ConsoleSession, ConsoleAuthToken]:
        """Use a token.

        :param client_address: of whom the proxy connects
        :returns: the session, and where it leads
        :raises console_svc.exception.TokenNotFound: it is not valid
        :raises console_svc.exception.TokenUsedUp: it has no use left
        :raises console_svc.exception.TooManySessions: the server has no
            room for another
        :raises console_svc.exception.WrongAddress: it is somebody else's
        """
        found = self._tokens.validate(context, token)
        options = self._conf.consoleauth
        session = self.open_found(
            context,
            found,
            client_address,
            options.max_uses,
            options.bind_to_client_address,
        )
        return session, found

    def open_found(
        self,
        context: RequestContext,
        found: ConsoleAuthToken,
        client_address: str | None,
        max_uses: int,
        bind_to_client_address: bool = False,
    ) -> ConsoleSession:
        """Use a token that was found to be valid; likewise.

        :param max_uses: sessions that it can open; 0: no limit
        :param bind_to_client_address: whether only for who asked for it,
            where that is still to be seen
        """
        try:
            if bind_to_client_address and not addresses.same(
                found.client_address, client_address
            ):
                raise exception.WrongAddress
            session = self._open(context, found, client_address, max_uses)
        except exception.ConsoleSvcError as error:
            self._audit.refusal(
                context,
                audit.OPEN,
                error,
                server_id=found.server_id,
                console_type=found.console_type,
                token=found.hash,
                client_address=client_address,
            )
            raise
        self._audit.success(
            context,
            audit.OPEN,
            server_id=found.server_id,
            console_type=found.console_type,
            token=found.hash,
            session_id=session.id,
            client_address=client_address,
        )
        return session

    def keep(self, token: str, session_id: str) -> ConsoleSession:
        """Keep a session from lapsing.

        :raises console_svc.exception.SessionNotFound: it has ended
        """
        now = int(self._clock())
        row = self._database.keep_session(
            _known(session_id),
            hash_of(token),
            now,
            now + self._conf.consoleauth.session_lapse,
        )
        if row is None:
            raise exception.SessionNotFound(session_id=session_id)
        return _session(row)

    def keep_all(self, session_ids: Sequence[str]) -> Mapping[str, int | None]:
        """Keep sessions from lapsing, as a proxy does with all that it has.

        One that has lapsed while the service was away comes back, unless it
        was purged.

        :returns: when each of those that go on expires; None: at no second
        """
        now = int(self._clock())
        lapse = self._conf.consoleauth.session_lapse
        rows = self._database.keep_sessions(
            session_ids, now, now + lapse, now + lapse * 2 // 3
        )
        return {row['session_id']: row['expires'] for row in rows}

    def close(
        self, context: RequestContext, token: str | None, session_id: str
    ) -> None:
        """The client, or its proxy, has gone.

        :param token: that has opened it; None: whatever has
        :raises console_svc.exception.SessionNotFound: it has ended
        """
        column, value = 'session_id', session_id
        if token is not None:
            column, value = 'token_hash', hash_of(token)
        self._end(context, session_id, column, value, 'closed')

    def list(self, server: Server) -> Sequence[ConsoleSession]:
        """The sessions that a server has now, the oldest first."""
        now = int(self._clock())
        return [
            _session(row)
            for row in self._database.list_sessions(server.id, now)
        ]

    def end(
        self, context: RequestContext, server: Server, session_id: str
    ) -> None:
        """End a session, whatever its client wants.

        :raises console_svc.exception.SessionNotFound: the server has none
            with this id
        """
        self._end(context, session_id, 'server_id', server.id, 'ended')

    def _open(
        self,
        context: RequestContext,
        token: ConsoleAuthToken,
        client_address: str | None,
        max_uses: int,
    ) -> ConsoleSession:
        options = self._conf.consoleauth
        now = int(self._clock())
        expires = None
        if options.enforce_session_timeout and token.expires < NEVER:
            expires = token.expires
        alive_until = now + options.session_lapse
        values = {
            'session_id': str(uuid.uuid4()),
            'token_hash': token.hash,
            'server_id': token.server_id,
            'project_id': token.project_id,
            'user_id': token.user_id,
            'console_type': token.console_type,
            'client_address': client_address,
            'created_at': now,
            'expires': expires,
            'alive_until': min(alive_until, expires or alive_until),
        }
        try:
            displaced = self._database.open_session(
                values,
                now,
                max_uses,
                options.max_sessions_per_server,
                options.when_sessions_are_full == 'replace',
                # A page of SPICE's opens one for each of its channels.
                token.console_type == ConsoleType.SPICE_HTML5,
            )
        except db.UsedUp:
            raise exception.TokenUsedUp from None
        except db.Full:
            raise exception.TooManySessions(
                server_id=token.server_id
            ) from None
        self._audit.ends(context, displaced, 'replaced')
        return _session(values)

    def _end(
        self,
        context: RequestContext,
        session_id: str,
        column: str,
        value: str,
        reason: str,
    ) -> None:
        ended = self._database.delete_session(
            _known(session_id), column, value
        )
        if not ended:
            raise exception.SessionNotFound(session_id=session_id)
        self._audit.ends(context, ended, reason)


def _known(session_id: str) -> str:
    """The id, if a session can have it: not every database takes any text.

    :raises console_svc.exception.SessionNotFound: none can
    """
    if not uuidutils.is_uuid_like(session_id):
        raise exception.SessionNotFound(session_id=session_id)
    return session_id


def _session(row: Mapping[Any, Any]) -> ConsoleSession:
    return ConsoleSession(
        id=row['session_id'],
        server_id=row['server_id'],
        project_id=row['project_id'],
        user_id=row['user_id'],
        console_type=row['console_type'],
        client_address=row['client_address'],
        created_at=row['created_at'],
        expires=row['expires'],
    )
