# SPDX-License-Identifier: Apache-2.0

"""Password log-in to consoles on the gateway."""

import hashlib
import hmac
import logging
import time
from collections.abc import Callable
from typing import Final

from oslo_config import cfg
from oslo_db import exception as db_exception
from oslo_utils import uuidutils

from console_svc import addresses, audit, exception
from console_svc.compute import Driver
from console_svc.consoles.sessions import ConsoleSessions
from console_svc.consoles.vault import Vault
from console_svc.context import RequestContext, admin_context
from console_svc.db.database import Database
from console_svc.objects import (
    NATIVE_TYPE,
    ConnectInfo,
    ConsoleSession,
    ConsoleType,
    GatewayConsole,
    LogInAttempt,
)
from console_svc.protocols import rfb

LOG = logging.getLogger(__name__)

# Seconds that a client waits after a wrong password, at most.
_LONGEST_DELAY: Final = 30

# Seconds in which a proxy repeats a request whose answer was lost.
_REPEATING: Final = 60


class Login:
    """Opens sessions for native clients that know a console's password.

    :param clock: seconds of the UTC epoch
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: Database,
        driver: Driver,
        vault: Vault,
        sessions: ConsoleSessions,
        events: audit.Audit,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._conf = conf
        self._database = database
        self._driver = driver
        self._vault = vault
        self._sessions = sessions
        self._audit = events
        self._clock = clock

    def log_in(
        self,
        context: RequestContext,
        target: int | str,
        challenge: bytes,
        response: bytes,
        client_address: str | None,
        session_id: str | None = None,
    ) -> tuple[ConsoleSession, ConnectInfo]:
        """Check a response of VNC authentication and open a session.

        A request that is repeated with the same ``session_id``, because its
        answer was lost, gets the session that it has opened.

        :param target: the console's own port, or its server's id or instance
            name
        :param client_address: the address of the native client
        :param session_id: a UUID that the proxy has chosen; None: a new one
        :returns: the session, and where its console is
        :raises console_svc.exception.AuthenticationFailed: the password is
            wrong, there is no such console for this address, or the challenge
            was answered before
        :raises console_svc.exception.ConsoleLocked: no password is accepted
            after too many failures
        :raises console_svc.exception.ConsoleNotFound: the server has moved
            since its console was opened, or has no console
        :raises console_svc.exception.ConsoleUsedUp: it has opened as many
            sessions as it may
        :raises console_svc.exception.SessionIdUsed: the id is that of a
            closed session, or of another console
        :raises console_svc.exception.TooManySessions: the server has as many
            sessions as it may
        """
        console = self._find(target)
        try:
            console = self._authenticate(
                console,
                target,
                challenge,
                response,
                client_address,
                session_id,
            )
            info = self._connect_info(console)
        except exception.ConsoleSvcError as error:
            self._audit.refusal(
                context,
                audit.AUTHENTICATE,
                error,
                server_id=console and console.server_id,
                console_type=NATIVE_TYPE,
                token=console and console.token_hash,
                client_address=client_address,
            )
            raise
        max_uses = self._conf.consoles.native_max_uses
        try:
            session = self._sessions.open(
                context,
                console,
                client_address,
                max_uses,
                session_id=session_id,
            )
        except exception.TokenUsedUp:
            raise exception.ConsoleUsedUp from None
        if max_uses:
            self._database.native_consoles.expire_if_used_up(
                console.token_hash, int(self._clock()), max_uses
            )
        return session, info

    def _find(self, target: int | str) -> GatewayConsole | None:
        """The console to which a client logs in."""
        now = int(self._clock())
        queries = self._database.native_consoles
        if isinstance(target, int):
            return queries.find_by_port(target, now)
        if not _is_storable(target):
            return None
        console = None
        if uuidutils.is_uuid_like(target):
            console = queries.find_by_server(target, now)
        # Query by name even if there is a console with this id: the time
        # must not show whether there is one.
        consoles = queries.find_by_instance_name(target, now)
        if console is not None:
            return console
        if len(consoles) > 1:
            LOG.warning(
                'Log-in refused: the instance name %r belongs to more than '
                'one console. Use the server id instead.',
                target,
            )
            return None
        return next(iter(consoles), None)

    def _authenticate(
        self,
        console: GatewayConsole | None,
        target: int | str,
        challenge: bytes,
        response: bytes,
        client_address: str | None,
        session_id: str | None,
    ) -> GatewayConsole:
        """Check that a response was made with the console's password.

        Without a console for this address, the same queries and computations
        take the same time.
        """
        now = int(self._clock())
        options = self._conf.rfb
        queries = self._database.log_ins
        if console is None:
            password = rfb.generate_password()
            self._vault.encrypt(password)
        else:
            # Decrypt first: an unreadable key is not a wrong password.
            password = self._vault.decrypt(console.encrypted_password)
        matches = _matches(challenge, password, response)
        # Only a right response is of use as long as the console is open.
        # Others are not kept as long: anyone can send them.
        answered = console if matches else None
        if console is not None and not self._accepts(console, client_address):
            # Clients that may not log in must not lock the console.
            console = None
        subject = f'target {target!r}' if console is None else console.id
        attempt = LogInAttempt(
            challenge_hash=hashlib.sha256(challenge).hexdigest(),
            target_hash=_digest(f'{subject}'),
            client_hash=_digest(
                f'{subject} from {addresses.network(client_address)}'
            ),
            token_hash=answered.token_hash if answered else None,
            expires=answered.expires if answered else None,
        )
        # Count before answering, so that concurrent guesses cannot exceed the
        # limit. A locked console does the same for a right response.
        try:
            is_open, failed = queries.record(
                attempt,
                now,
                is_right=matches and console is not None,
                max_failures=options.max_failures,
                max_failures_per_console=options.max_failures_per_console,
                lock_time=options.lock_time,
            )
        except db_exception.DBDuplicateEntry:
            if (
                matches
                and console is not None
                and self._is_open(console, client_address, session_id, now)
            ):
                return console
            LOG.warning(
                'Log-in of %s refused: its challenge was answered before.',
                client_address,
            )
            raise exception.AuthenticationFailed(_delay(1)) from None
        if is_open and matches and console is not None:
            return console
        if failed.locked_until > now:
            raise exception.ConsoleLocked(failed.locked_until - now)
        raise exception.AuthenticationFailed(_delay(failed.failures))

    def _is_open(
        self,
        console: GatewayConsole,
        client_address: str | None,
        session_id: str | None,
        now: int,
    ) -> bool:
        """Whether this log-in has just opened this session.

        The proxy chooses the id at random, so nobody else can repeat it.
        """
        session = self._database.sessions.get(session_id or '')
        return (
            session is not None
            and session.token_hash == console.token_hash
            and session.client_address == client_address
            and session.created_at > now - _REPEATING
        )

    def _accepts(
        self, console: GatewayConsole, client_address: str | None
    ) -> bool:
        """Whether clients at this address may log in to a console."""
        return (
            not self._conf.consoles.bind_to_client_address
            or addresses.same(console.client_address, client_address)
        )

    def _connect_info(self, console: GatewayConsole) -> ConnectInfo:
        """Where a console is now, if its server is where it was opened."""
        context = admin_context()
        gone = exception.ConsoleNotFound(server_id=console.server_id)
        try:
            server = self._driver.get_server(context, console.server_id)
            if server.host != console.server_host:
                raise gone
            return self._driver.get_connect_info(
                context, server, ConsoleType.NOVNC
            )
        except (
            exception.ServerNotFound,
            exception.ServerNotReady,
            exception.ConsoleTypeUnavailable,
            # The refusal of a back end such as nova, for the same reasons.
            exception.UpstreamRefused,
        ):
            raise gone from None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _matches(challenge: bytes, password: str, response: bytes) -> bool:
    """Whether a response was made with this password."""
    return hmac.compare_digest(rfb.response(challenge, password), response)


def _delay(failures: int) -> int:
    """Seconds to wait after failures in a row: 1, 2, 4 and so on."""
    return int(min(2 ** min(failures - 1, 9), _LONGEST_DELAY))


def _is_storable(text: str) -> bool:
    """Whether every database can compare this text with a column."""
    try:
        return b'\0' not in text.encode()
    except UnicodeEncodeError:
        return False
