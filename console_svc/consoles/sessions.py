# SPDX-License-Identifier: Apache-2.0

"""Console sessions: clients that are connected to consoles.

The console proxy opens a session before it connects a client, keeps it alive
while the client is connected, and learns from the answer that it was ended.
An ended session becomes part of the history. Of a session that its proxy has
closed, the id stays until the purge: a late request to open it, or to open it
again, is refused.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from oslo_config import cfg

from console_svc import audit, exception
from console_svc.consoles import new_sessions
from console_svc.consoles.console_types import of_same_console
from console_svc.consoles.limits import Limits
from console_svc.consoles.resumptions import Resumptions
from console_svc.consoles.terms import max_uses
from console_svc.consoles.tokens import ConsoleAuthTokens
from console_svc.context import RequestContext
from console_svc.db.database import Database
from console_svc.endings import (
    NO_REPORTS,
    Ending,
    EndReason,
    Reports,
)
from console_svc.objects import (
    ConnectInfo,
    ConsoleSession,
    Grant,
    Server,
)

#: Seconds in which a closed SPICE channel can be opened again as the same use
#: of its token.
REOPENING: Final = 10


class ConsoleSessions:
    """Opens, extends, lists and ends sessions.

    :param clock: seconds of the UTC epoch
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: Database,
        tokens: ConsoleAuthTokens,
        limits: Limits,
        events: audit.Audit,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._conf = conf
        self._database = database
        self._tokens = tokens
        self._limits = limits
        self._audit = events
        self._clock = clock
        self._resumptions = Resumptions(
            conf, database, tokens, limits, events, clock
        )

    def open_by_token(
        self,
        context: RequestContext,
        token: str,
        client_address: str | None,
        session_id: str | None = None,
        secret: str | None = None,
        previous_secret: str | None = None,
        takes_over: bool = False,
    ) -> tuple[ConsoleSession, ConnectInfo, str | None]:
        """Open a session with a console token, or resume one.

        :param client_address: the address of the proxy's client
        :param session_id: as of :meth:`open`
        :param secret: the client's to resume this session; None: it cannot
        :param previous_secret: that of the session to resume, if possible;
            None: none
        :param takes_over: as of :meth:`open`
        :returns: the session, where its console is, and the id of the session
            that it resumes, if any
        :raises console_svc.exception.SessionIdUsed: the id was used before
        :raises console_svc.exception.TokenNotFound: it is not valid
        :raises console_svc.exception.TokenUsedUp: it has opened as many
            sessions as it may
        :raises console_svc.exception.TooManySessions: the server has as many
            sessions as it may
        :raises console_svc.over_limit.OverLimit: the user or the project has
        :raises console_svc.exception.WrongAddress: it was issued to another
            address
        """
        if previous_secret is not None:
            resumed = self._resumptions.resume(
                context,
                token,
                client_address,
                session_id,
                secret,
                previous_secret,
            )
            if resumed is not None:
                return resumed
        found = self._tokens.validate(context, token)
        options = self._conf.consoleauth
        session = self.open(
            context,
            found,
            client_address,
            max_uses(found.max_uses, options.max_uses),
            options.bind_to_client_address,
            session_id,
            secret,
            takes_over,
        )
        return session, found.connect_info, None

    def open(
        self,
        context: RequestContext,
        grant: Grant,
        client_address: str | None,
        max_uses: int,
        bind_to_client_address: bool = False,
        session_id: str | None = None,
        secret: str | None = None,
        takes_over: bool = False,
    ) -> ConsoleSession:
        """Open a session with a grant that was found to be valid.

        If the grant has an open session with this id, the request is a
        repeated one: it returns that session, and does not use the grant
        again.

        :param client_address: the address of the proxy's client
        :param max_uses: sessions that the grant can open; 0: no limit
        :param bind_to_client_address: refuse every address but the one that
            requested the grant
        :param session_id: a UUID that the proxy has chosen; None: a new one
        :param secret: the client's to resume this session; None: it cannot
        :param takes_over: whether to end those that control the console
        :raises console_svc.exception.SessionIdUsed: the id is that of a
            closed session, or of another grant
        :raises console_svc.exception.TokenUsedUp: it has opened as many
            sessions as it may
        :raises console_svc.exception.TooManySessions: the server has as many
            sessions as it may
        :raises console_svc.over_limit.OverLimit: the user or the project has
        :raises console_svc.exception.WrongAddress: another address requested
            the grant
        :raises console_svc.consoles.new_sessions.TakeoverRefused: it cannot
            take the console over
        """
        try:
            new_sessions.check_address(
                grant, client_address, bind_to_client_address
            )
            if takes_over:
                new_sessions.check_take_over(self._conf, grant)
            session = new_sessions.make(
                self._conf,
                grant,
                client_address,
                session_id,
                secret,
                int(self._clock()),
            )
            try:
                ended = self._store(session, max_uses, takes_over)
            except exception.ConsoleSvcError:
                opened = new_sessions.find_opened(self._database, session)
                if opened is None:
                    raise
                return opened
        except exception.ConsoleSvcError as error:
            if isinstance(error, exception.TooManySessions):
                new_sessions.describe(self._conf, grant, error)
            self._audit.refusal(
                context,
                audit.OPEN,
                error,
                **audit.target_of(grant, client_address),
            )
            raise
        if new_sessions.is_channel(session):
            # It has the mode of the page's other channels.
            session = self._database.sessions.get(session.id) or session
        for reason, sessions in ended.items():
            self._audit.ends(context, sessions, reason, session.user_id)
        self._audit.success(
            context,
            audit.OPEN,
            session_id=session.id,
            **audit.target_of(session, client_address),
        )
        return session

    def close(self, context: RequestContext, session_id: str) -> None:
        """Close a session whose client has disconnected.

        The id cannot be used again, even if there was no session with it.

        :raises console_svc.exception.SessionNotFound: it has ended, or was
            not opened
        """
        new_sessions.check_id(session_id)
        if not self.close_all(context, [session_id]):
            raise exception.SessionNotFound(session_id=session_id)

    def close_all(
        self,
        context: RequestContext,
        session_ids: Collection[str],
        reports: Reports = NO_REPORTS,
    ) -> Sequence[ConsoleSession]:
        """Close sessions by their UUIDs; return those that were open.

        :param reports: what their proxy reports of some of them
        """
        now = int(self._clock())
        ended = self._database.closed_sessions.add_all(
            session_ids, now, now + REOPENING, reports
        )
        self._audit.ends(context, ended, 'closed')
        return ended

    def end(
        self, context: RequestContext, server: Server, session_id: str
    ) -> None:
        """End a session: the proxy disconnects its client.

        A session that was closed, but can be resumed, ends, too.

        :raises console_svc.exception.SessionNotFound: the server has no
            session with this id
        """
        new_sessions.check_id(session_id)
        ending = Ending(EndReason.ENDED, int(self._clock()), context.user_id)
        ended = self._database.sessions.end(session_id, ending, server.id)
        self._audit.ends(context, ended, ending.reason)
        if ended:
            return
        # Its client may have disconnected just now.
        if not self._database.resumptions.forget(session_id, server.id):
            raise exception.SessionNotFound(session_id=session_id)
        self._audit.success(
            context,
            audit.END,
            server_id=server.id,
            session_id=session_id,
            reason='ended',
        )

    def _store(
        self, session: ConsoleSession, max_uses: int, takes_over: bool
    ) -> Mapping[EndReason, Sequence[ConsoleSession]]:
        """Store a session.

        :returns: the sessions that it has ended, by the reason
        """
        options = self._conf.consoleauth
        return self._database.sessions.open(
            session,
            new_sessions.alive_until(self._conf, session),
            max_uses=max_uses,
            max_sessions=options.max_sessions_per_server,
            replace=options.when_sessions_are_full == 'replace',
            in_channels=new_sessions.is_channel(session),
            limits=self._limits.of_sessions(session.project_id),
            takes_over=of_same_console(session.console_type)
            if takes_over
            else (),
        )
