# SPDX-License-Identifier: Apache-2.0

"""Log-ins to the gateway's consoles: who may, and where they get."""

import hmac
import logging
import time
from collections.abc import Callable
from typing import Final

import sqlalchemy as sa
from oslo_config import cfg
from oslo_utils import uuidutils

from console_svc import addresses, audit, exception
from console_svc.compute import Driver
from console_svc.consoles import vault
from console_svc.consoles.sessions import ConsoleSessions
from console_svc.context import RequestContext, everybody
from console_svc.db.api import Database
from console_svc.objects import (
    NATIVE_TYPE,
    ConnectInfo,
    ConsoleAuthToken,
    ConsoleSession,
    ConsoleType,
)
from console_svc.protocols import rfb

LOG = logging.getLogger(__name__)

# Seconds: no client waits longer after a wrong password.
_LONGEST_DELAY: Final = 30


class GatewayAuthentication:
    """Lets who knows a console's password open a session.

    :param clock: seconds of the UTC epoch
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: Database,
        driver: Driver,
        sessions: ConsoleSessions,
        events: audit.Audit,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._conf = conf
        self._database = database
        self._driver = driver
        self._sessions = sessions
        self._audit = events
        self._clock = clock
        self._vault = vault.Vault(conf)

    def authenticate(
        self,
        context: RequestContext,
        target: int | str,
        challenge: bytes,
        response: bytes,
        client_address: str | None,
    ) -> tuple[ConsoleSession, ConsoleAuthToken]:
        """Check a response of VNC authentication, and open a session.

        :param target: the console's own port, or its server's id or instance
            name
        :param client_address: of who connects to the gateway
        :returns: the session, and where it leads
        :raises console_svc.exception.AuthenticationFailed: there is no such
            console, or none for this address, or this is not its password
        :raises console_svc.exception.ConsoleLocked: no password is looked at
        :raises console_svc.exception.ConsoleNotFound: the server is no longer
            where its console was opened, or has none
        :raises console_svc.exception.ConsoleUsedUp: it has no use left
        :raises console_svc.exception.TooManySessions: the server has no room
            for another
        """
        row = self._find(target)
        try:
            found = self._where(
                self._check(row, challenge, response, client_address)
            )
        except exception.ConsoleSvcError as error:
            self._audit.refusal(
                context,
                audit.AUTHENTICATE,
                error,
                server_id=row and row['server_id'],
                console_type=NATIVE_TYPE,
                token=row and row['token_hash'],
                client_address=client_address,
            )
            raise
        options = self._conf.consoles
        try:
            session = self._sessions.open_found(
                context, found, client_address, options.native_max_uses
            )
        except exception.TokenUsedUp:
            raise exception.ConsoleUsedUp from None
        if options.native_max_uses:
            self._database.expire_if_used_up(
                found.hash, int(self._clock()), options.native_max_uses
            )
        return session, found

    def _find(self, target: int | str) -> sa.RowMapping | None:
        """The console that somebody wants to log in to."""
        now = int(self._clock())
        find = self._database.find_gateway_consoles
        if isinstance(target, int):
            return next(iter(find('gateway_port', target, now)), None)
        if not _is_storable(target):
            return None
        if uuidutils.is_uuid_like(target):
            rows = find('server_id', target, now)
            if rows:
                return rows[0]
        rows = find('instance_name', target, now)
        if len(rows) > 1:
            LOG.warning('%r names more than one console', target)
            return None
        return next(iter(rows), None)

    def _check(
        self,
        row: sa.RowMapping | None,
        challenge: bytes,
        response: bytes,
        client_address: str | None,
    ) -> sa.RowMapping:
        """See that a response is that of a console's password."""
        now = int(self._clock())
        options = self._conf.rfb
        counted, state = False, None
        if row is not None and self._is_for(row, client_address):
            # Keys that can't be read make no wrong password.
            password = self._vault.decrypt(row['encrypted_password'])
            # Counted before it is looked at: of those who guess at the same
            # time, no more are answered than may guess.
            counted, state = self._database.count_failure(
                row['id'], now, options.max_failures, now + options.lock_time
            )
        if row is None or state is None:
            # Work and delay of a first wrong password. Who may not try can't
            # lock out who may.
            _is_right(challenge, vault.generate(), response)
            raise exception.AuthenticationFailed(_delay(1))
        if not counted:
            raise exception.ConsoleLocked(state['locked_until'] - now)
        if _is_right(challenge, password, response):
            self._database.forget_failures(row['id'])
            return row
        if state['locked_until'] > now:
            raise exception.ConsoleLocked(state['locked_until'] - now)
        raise exception.AuthenticationFailed(_delay(state['failures']))

    def _is_for(self, row: sa.RowMapping, client_address: str | None) -> bool:
        """Whether a console can be logged in to from an address."""
        return (
            not self._conf.consoles.bind_to_client_address
            or addresses.same(row['client_address'], client_address)
        )

    def _where(self, row: sa.RowMapping) -> ConsoleAuthToken:
        """Where a console leads now, as its token says it."""
        return ConsoleAuthToken(
            hash=row['token_hash'],
            server_id=row['server_id'],
            project_id=row['project_id'],
            user_id=row['user_id'],
            console_type=NATIVE_TYPE,
            connect_info=self._connect_info(row),
            expires=row['expires'],
            client_address=row['client_address'],
        )

    def _connect_info(self, row: sa.RowMapping) -> ConnectInfo:
        context = everybody()
        gone = exception.ConsoleNotFound(server_id=row['server_id'])
        try:
            server = self._driver.get_server(context, row['server_id'])
            if server.host != row['server_host']:
                raise gone
            return self._driver.get_connect_info(
                context, server, ConsoleType.NOVNC
            )
        except (
            exception.ServerNotFound,
            exception.ServerNotReady,
            exception.ConsoleTypeUnavailable,
            # By the service behind the driver, which says so in its own way.
            exception.Refused,
        ):
            raise gone from None


def _is_right(challenge: bytes, password: str, response: bytes) -> bool:
    return hmac.compare_digest(rfb.response(challenge, password), response)


def _delay(failures: int) -> int:
    """Seconds to wait after so many failures in a row: 1, 2, 4 and so on."""
    return int(min(2 ** min(failures - 1, 9), _LONGEST_DELAY))


def _is_storable(text: str) -> bool:
    """Whether a name can be in the database; not every one takes any text."""
    try:
        return b'\0' not in text.encode()
    except UnicodeEncodeError:
        return False
