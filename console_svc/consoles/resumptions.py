# SPDX-License-Identifier: Apache-2.0

"""Resume sessions: a browser is back after its connection was lost.

Its proxy has given the browser a secret. With the secret of a session, the
same client address can open another one in its place, which is not a use of
the token. The token may have expired meanwhile, but must not have been
revoked. A session that was ended cannot be resumed.
"""

from collections.abc import Callable

from oslo_config import cfg

from console_svc import audit, exception
from console_svc.consoles import new_sessions
from console_svc.consoles.limits import Limits
from console_svc.consoles.terms import max_uses
from console_svc.consoles.token_text import hash_of
from console_svc.consoles.tokens import ConsoleAuthTokens
from console_svc.context import RequestContext
from console_svc.db.database import Database
from console_svc.endings import (
    EndReason,
    ResumedSessions,
)
from console_svc.objects import (
    ConnectInfo,
    ConsoleAuthToken,
    ConsoleSession,
)


class Resumptions:
    """Resumes sessions.

    :param clock: seconds of the UTC epoch
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: Database,
        tokens: ConsoleAuthTokens,
        limits: Limits,
        events: audit.Audit,
        clock: Callable[[], float],
    ) -> None:
        self._options = conf.consoleauth
        self._conf = conf
        self._database = database
        self._tokens = tokens
        self._limits = limits
        self._audit = events
        self._clock = clock

    def resume(
        self,
        context: RequestContext,
        token: str,
        client_address: str | None,
        session_id: str | None,
        secret: str | None,
        previous_secret: str,
    ) -> tuple[ConsoleSession, ConnectInfo, str | None] | None:
        """Open a session in the place of another one of the same client.

        The parameters are those of
        :meth:`.ConsoleSessions.open_by_token`.

        :returns: the session, where its console is, and the id of the session
            that it resumes; None if the token must be used instead
        :raises console_svc.exception.SessionIdUsed: the id was used before
        :raises console_svc.exception.TokenNotFound: the token was revoked,
            or does not lead to its console any more
        :raises console_svc.exception.TooManySessions: the session was closed
            or has lapsed, and others have taken its place meanwhile
        :raises console_svc.over_limit.OverLimit: so have those of the user or
            the project
        """
        if not self._options.resume_time or client_address is None:
            return None
        found = self._tokens.validate(context, token, even_expired=True)
        now = int(self._clock())
        if self._can_be_used(found, now):
            return None
        session = new_sessions.make(
            self._conf, found, client_address, session_id, secret, now
        )
        if session.expires is not None and session.expires <= now:
            return None
        try:
            outcome = self._store(session, hash_of(previous_secret), now)
        except exception.ConsoleSvcError as error:
            opened = new_sessions.find_opened(self._database, session)
            if opened:
                return opened, found.connect_info, None
            self._audit.refusal(
                context,
                audit.OPEN,
                error,
                **audit.target_of(session, client_address),
            )
            raise
        if outcome is None:
            opened = new_sessions.find_opened(self._database, session)
            return (opened, found.connect_info, None) if opened else None
        self._audit.ends(context, outcome.resumed, EndReason.RESUMED)
        self._audit.ends(context, outcome.replaced, EndReason.REPLACED)
        self._audit.success(
            context,
            audit.OPEN,
            session_id=session.id,
            reason='resumed',
            **audit.target_of(outcome.session, client_address),
        )
        return outcome.session, found.connect_info, outcome.previous_id

    def _can_be_used(self, token: ConsoleAuthToken, now: int) -> bool:
        """Whether the token opens any number of sessions.

        Then two tabs of a browser can have the same URL: the second one must
        not resume, and thus end, the session of the first.
        """
        return (
            token.expires > now
            and not max_uses(token.max_uses, self._options.max_uses)
            and not self._options.max_sessions_per_server
            and not self._limits.limits_sessions
        )

    def _store(
        self, session: ConsoleSession, previous_hash: str, now: int
    ) -> ResumedSessions | None:
        options = self._options
        return self._database.resumptions.resume(
            session,
            new_sessions.alive_until(self._conf, session),
            previous_hash,
            closed_after=now - options.resume_time,
            # When the last keep-alive was, at the earliest.
            alive_after=now
            - max(0, options.resume_time - options.session_lapse),
            max_sessions=options.max_sessions_per_server,
            replace=options.when_sessions_are_full == 'replace',
            in_channels=new_sessions.is_channel(session),
            limits=self._limits.of_sessions(session.project_id),
        )
