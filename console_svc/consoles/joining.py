# SPDX-License-Identifier: Apache-2.0

"""Further connections of a client, such as the channels of SPICE clients."""

import time
from collections.abc import Callable

from console_svc import audit, exception
from console_svc.consoles.tokens import ConsoleAuthTokens
from console_svc.context import RequestContext
from console_svc.db.database import Database
from console_svc.objects import ConnectInfo, ConsoleSession


class NothingToJoin(exception.TokenUsedUp):
    """The token has no open session from this client address."""

    message = 'Token has no open session from this address'


class SessionJoins:
    """Finds the sessions that further connections of clients belong to.

    :param clock: seconds of the UTC epoch
    """

    def __init__(
        self,
        database: Database,
        tokens: ConsoleAuthTokens,
        events: audit.Audit,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._audit = events
        self._clock = clock

    def join(
        self, context: RequestContext, token: str, client_address: str | None
    ) -> tuple[ConsoleSession, ConnectInfo]:
        """Find the session of a further connection; it uses no token.

        :param client_address: the address of the proxy's client
        :returns: the newest session of the token and the address, and where
            its console is
        :raises NothingToJoin: there is no such session
        :raises console_svc.exception.TokenNotFound: the token is not valid
        """
        found = self._tokens.validate(context, token)
        session = self._database.sessions.find(
            found.token_hash, client_address, int(self._clock())
        )
        if session is None:
            error = NothingToJoin()
            self._audit.refusal(
                context,
                audit.OPEN,
                error,
                **audit.target_of(found, client_address),
            )
            raise error
        return session, found.connect_info
