# SPDX-License-Identifier: Apache-2.0

"""What is over is deleted: by command, or in the API's background."""

import logging
import threading
import time
from collections.abc import Callable

from oslo_config import cfg
from oslo_db import exception as db_exception

from console_svc import audit
from console_svc.consoles.native.consoles import NativeConsoles
from console_svc.context import everybody
from console_svc.db.api import Database

LOG = logging.getLogger(__name__)

LEASE = 'purge'

#: Rows a statement.
BATCH = 1000


def purge(
    database: Database,
    events: audit.Audit,
    now: int,
    batch: int = BATCH,
    max_seconds: float | None = None,
) -> tuple[int, int]:
    """Delete expired tokens and lapsed sessions, a batch a statement.

    :param events: where ends of sessions are recorded
    :param now: seconds of the UTC epoch
    :param batch: rows that one statement deletes at most
    :param max_seconds: begin no statement after these
    :returns: how many tokens, how many sessions
    """
    started = time.monotonic()
    context = everybody()

    def sessions() -> int:
        ended = database.purge_sessions(now, batch)
        events.ends(context, ended, 'lapsed')
        return len(ended)

    def drain(delete: Callable[[], int]) -> int:
        purged = 0
        while max_seconds is None or time.monotonic() - started < max_seconds:
            deleted = delete()
            purged += deleted
            if deleted < batch:
                break
        return purged

    return drain(lambda: database.purge_tokens(now, batch)), drain(sessions)


class Housekeeper:
    """Purges every so often; of all processes, one at a time.

    :param clock: seconds of the UTC epoch
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: Database,
        consoles: NativeConsoles,
        events: audit.Audit,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._interval: int = conf.consoleauth.purge_interval
        self._database = database
        self._consoles = consoles
        self._audit = events
        self._clock = clock

    def start(self) -> None:
        """Begin, in a thread that ends with the process."""
        threading.Thread(
            target=self._run, name='housekeeper', daemon=True
        ).start()

    def purge_if_due(self) -> bool:
        """Purge, unless somebody has within the interval.

        :returns: whether it was done
        """
        now = int(self._clock())
        if not self._database.take_lease(LEASE, now, now + self._interval):
            return False
        tokens, sessions = purge(self._database, self._audit, now)
        consoles = self._consoles.purge(everybody())
        LOG.info(
            'Purged %d tokens, %d sessions, %d native consoles',
            tokens,
            sessions,
            consoles,
        )
        return True

    def _run(self) -> None:
        while True:
            time.sleep(self._interval)
            try:
                self.purge_if_due()
            except db_exception.DBError as error:
                LOG.warning('The purge is put off: %s', error)
            except Exception:
                LOG.exception('The purge has failed')
