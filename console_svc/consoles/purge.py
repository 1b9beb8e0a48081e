# SPDX-License-Identifier: Apache-2.0

"""Delete expired tokens, lapsed sessions, old history and native consoles.

A session that has lapsed is deleted one lapse later. Until then the proxy's
next keep-alive revives it, so live sessions survive a purge on a host whose
clock is ahead.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from oslo_config import cfg
from oslo_db import exception as db_exception

from console_svc import audit, background, exception
from console_svc.compute import Driver
from console_svc.consoles.native.consoles import NativeConsoles
from console_svc.context import admin_context
from console_svc.db.database import Database
from console_svc.endings import (
    EndReason,
)
from console_svc.objects import (
    ConsoleSession,
)

LOG = logging.getLogger(__name__)

#: The lease of the process that purges in the background.
LEASE: Final = 'purge'

#: Rows that one statement deletes.
BATCH: Final = 1000

# Least seconds for which the id of a closed session stays: longer than a
# request to open it can be under way.
_CLOSED_TIME: Final = 600

_DAY: Final = 24 * 60 * 60


class Purged(NamedTuple):
    """The numbers of what a purge has deleted."""

    tokens: int
    sessions: int
    consoles: int
    history: int


class Purge:
    """Purges once, or in the background of the API.

    :param clock: seconds of the UTC epoch
    :param failed: counts unexpected exceptions in the background
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: Database,
        driver: Driver,
        native_consoles: NativeConsoles,
        events: audit.Audit,
        clock: Callable[[], float] = time.time,
        failed: background.Failed = background.ignore,
    ) -> None:
        self._interval: int = conf.consoleauth.purge_interval
        options = conf.consoleauth
        self._lapse: int = options.session_lapse
        # Lapsed and closed sessions stay as long as they can be resumed.
        self._lapsed_time: int = max(
            options.session_lapse, options.resume_time - options.session_lapse
        )
        self._closed_time: int = max(_CLOSED_TIME, options.resume_time)
        self._history_time: int = options.history_days * _DAY
        self._database = database
        self._driver = driver
        self._native_consoles = native_consoles
        self._audit = events
        self._clock = clock
        self._failed = failed
        # The purge sees the servers of every project.
        self._context = admin_context()

    def run(
        self, batch: int = BATCH, max_seconds: float | None = None
    ) -> Purged:
        """Delete all that can be deleted.

        :param batch: rows that one statement deletes, at most
        :param max_seconds: start no further statement after this time; None:
            no limit
        """
        deadline = None
        if max_seconds is not None:
            deadline = time.monotonic() + max_seconds
        now = int(self._clock())
        lapsed = now - self._lapsed_time

        def delete_sessions() -> int:
            return self._ended(
                self._database.sessions.purge(lapsed, batch, self._lapse)
            )

        def delete_proxies() -> int:
            return self._ended(
                self._database.proxies.purge(lapsed, batch, self._lapse)
            )

        def delete_closed_sessions() -> int:
            return self._database.closed_sessions.purge(
                now - self._closed_time, batch
            )

        def delete_history() -> int:
            return self._database.history.purge(
                now - self._history_time, batch
            )

        def delete_tokens() -> int:
            return self._database.tokens.purge(now, batch)

        _repeat(delete_closed_sessions, batch, deadline)
        _repeat(
            lambda: self._database.locks.purge(now, batch),
            batch,
            deadline,
        )
        _repeat(
            lambda: self._database.recording_accesses.purge(now, batch),
            batch,
            deadline,
        )
        # Not last: hosts that do not answer can take all of the time.
        self._forget_log_ins(now, batch, deadline)
        return Purged(
            tokens=_repeat(delete_tokens, batch, deadline),
            sessions=_repeat(delete_sessions, batch, deadline)
            + _repeat(delete_proxies, batch, deadline),
            # Before the consoles: hosts that do not answer can take all of the
            # time.
            history=_repeat(delete_history, batch, deadline),
            consoles=self._close_consoles(batch, deadline),
        )

    def start(self) -> None:
        """Purge every ``[consoleauth] purge_interval``, in a daemon thread."""
        background.repeat('purge', self._wait_and_run, self._failed)

    def run_if_due(self) -> bool:
        """Purge unless another process has done so within the interval.

        :returns: whether this process has purged
        """
        now = int(self._clock())
        if not self._database.take_lease(LEASE, now, now + self._interval):
            return False
        purged = self.run()
        LOG.info(
            'Purged %d tokens, %d sessions, %d native consoles, %d sessions '
            'of the history',
            *purged,
        )
        return True

    def _wait_and_run(self) -> None:
        time.sleep(self._interval)
        try:
            self.run_if_due()
        except db_exception.DBError as error:
            LOG.warning(
                'The purge failed and is repeated in %d seconds: %s',
                self._interval,
                error,
            )

    def _ended(self, lapsed: Sequence[ConsoleSession]) -> int:
        """Audit the end of sessions that a purge has deleted; their number."""
        self._audit.ends(self._context, lapsed, EndReason.LAPSED)
        return len(lapsed)

    def _forget_log_ins(
        self, now: int, batch: int, deadline: float | None
    ) -> None:
        """Delete old failures, and the challenges of consoles that are gone.

        These rows are no resources of the API, and are not reported.
        """
        queries = self._database.log_ins
        _repeat(lambda: queries.purge_failures(now, batch), batch, deadline)
        _repeat(lambda: queries.purge_challenges(now, batch), batch, deadline)
        after: str | None = ''
        while after is not None and not _is_past(deadline):
            after = queries.purge_challenges_of_closed_consoles(after, batch)

    def _close_consoles(self, batch: int, deadline: float | None) -> int:
        """Close consoles that have expired or whose server has left the host.

        Consoles on a host that does not answer stay for the next purge.
        """
        closed = 0
        after = ''
        queries = self._database.native_consoles
        while server_ids := queries.list_servers(after, batch):
            for server_id in server_ids:
                if _is_past(deadline):
                    return closed
                try:
                    closed += self._close_consoles_of(server_id)
                except (
                    exception.ServiceUnavailable,
                    exception.UpstreamRefused,
                ) as error:
                    LOG.warning(
                        'The native consoles of server %s stay open until '
                        'the next purge: %s',
                        server_id,
                        error,
                    )
            after = server_ids[-1]
        return closed

    def _close_consoles_of(self, server_id: str) -> int:
        try:
            host = self._driver.get_server(self._context, server_id).host
        except exception.ServerNotFound:
            host = None
        now = int(self._clock())
        stale = [
            console
            for console in self._database.native_consoles.list(server_id)
            if console.is_stale(host, now)
        ]
        for console in stale:
            self._native_consoles.discard(self._context, console, 'purged')
        return len(stale)


def _repeat(
    delete: Callable[[], int], batch: int, deadline: float | None
) -> int:
    """Delete batches until one is not full; the number of rows deleted."""
    total = 0
    while not _is_past(deadline):
        deleted = delete()
        total += deleted
        if deleted < batch:
            break
    return total


def _is_past(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() >= deadline
