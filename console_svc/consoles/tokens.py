"""Console tokens: what they lead to, and for how long."""

import hashlib
import secrets
import time
from collections.abc import Callable

from oslo_config import cfg

from console_svc import exception
from console_svc.compute import Driver
from console_svc.consoles.models import (
    ConnectInfo,
    ConsoleAuthToken,
    Server,
)
from console_svc.context import RequestContext
from console_svc.db.api import Database

_BYTES = 32


class ConsoleAuthTokens:
    """Issues and validates them.

    :param clock: seconds of the UTC epoch
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: Database,
        driver: Driver,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._conf = conf
        self._database = database
        self._driver = driver
        self._clock = clock

    def issue(
        self,
        context: RequestContext,
        server: Server,
        console_type: str,
        ttl: int | None = None,
    ) -> str:
        """A new token for a server's console.

        :param console_type: which of its consoles
        :param ttl: seconds it is valid; None: as configured
        :returns: the token: 256 random bits, safe in a URL; kept nowhere
        :raises console_svc.exception.ConsoleTypeUnavailable: the server has
            no such console
        :raises console_svc.exception.ServerNotReady: not in this state
        """
        info = self._driver.get_connect_info(context, server, console_type)
        token = secrets.token_urlsafe(_BYTES)
        now = int(self._clock())
        if ttl is None:
            ttl = self._conf.consoleauth.token_ttl
        self._database.create_token(
            {
                'token_hash': _hash(token),
                'server_id': server.id,
                'project_id': server.project_id,
                'user_id': context.user_id,
                'console_type': console_type,
                'host': info.host,
                'port': info.port,
                'tls_port': info.tls_port,
                'internal_access_path': info.internal_access_path,
                'created_at': now,
                'expires': now + ttl,
            }
        )
        return token

    def validate(self, token: str) -> ConsoleAuthToken:
        """What a token stands for.

        :raises console_svc.exception.TokenNotFound: nothing, or no longer
        """
        row = self._database.get_token(_hash(token), int(self._clock()))
        if row is None:
            raise exception.TokenNotFound
        return ConsoleAuthToken(
            server_id=row['server_id'],
            project_id=row['project_id'],
            user_id=row['user_id'],
            console_type=row['console_type'],
            connect_info=ConnectInfo(
                host=row['host'],
                port=row['port'],
                tls_port=row['tls_port'],
                internal_access_path=row['internal_access_path'],
            ),
            expires=row['expires'],
        )

    def purge(self, batch: int = 1000) -> int:
        """Delete expired tokens, a batch a statement.

        :returns: how many
        """
        purged = 0
        while deleted := self._database.purge_tokens(
            int(self._clock()), batch
        ):
            purged += deleted
        return purged


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
