# SPDX-License-Identifier: Apache-2.0

"""The index of recordings: made in the database from the storage."""

import logging
import math
import time
from collections.abc import Callable
from typing import Final

from oslo_config import cfg
from oslo_db import exception as db_exception

from console_svc import background
from console_svc.db.database import Database
from console_svc.recorded import RecordedSession, RecordingState
from console_svc.recordings import check, contents, storage
from console_svc.recordings.check import State
from console_svc.recordings.keys import Keys
from console_svc.recordings.storage import Entry, Storage

LOG = logging.getLogger(__name__)

#: The lease of the process that updates the index.
LEASE: Final = 'recordings'

# Seconds between two updates.
_INTERVAL: Final = 60

# Entries that one statement deletes.
_BATCH: Final = 1000

_MICRO: Final = 1_000_000

_STATES: Final = {
    State.COMPLETE: RecordingState.COMPLETE,
    State.INTERRUPTED: RecordingState.INTERRUPTED,
}


class RecordingIndex:
    """Keeps the index up to date.

    All API hosts must have the same storage.

    :param stored: None: the one that is configured
    :param clock: seconds of the UTC epoch
    :param failed: counts unexpected exceptions in the background
    :raises oslo_config.cfg.Error: the storage is unknown, or the key file is
        missing or invalid
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: Database,
        stored: Storage | None = None,
        clock: Callable[[], float] = time.time,
        failed: background.Failed = background.ignore,
    ) -> None:
        self._database = database
        self._clock = clock
        self._failed = failed
        self.storage = stored or storage.load(conf)
        self.keys = Keys(conf)
        self.keys.check()
        self.queries = database.recordings
        # Recordings whose head cannot be read: the log has them once.
        self._unreadable: set[str] = set()

    def start(self) -> None:
        """Update it every minute, in a daemon thread."""
        background.repeat('recordings', self._wait_and_run, self._failed)

    def run_if_due(self) -> bool:
        """Update it, unless another process has done so within a minute.

        :returns: whether this process has
        """
        now = int(self._clock())
        if not self._database.take_lease(LEASE, now, now + _INTERVAL):
            return False
        self.update(_INTERVAL)
        return True

    def _wait_and_run(self) -> None:
        time.sleep(_INTERVAL)
        try:
            self.run_if_due()
        except (OSError, db_exception.DBError) as error:
            LOG.warning(
                'The recordings could not be indexed, which is repeated in '
                '%d seconds: %s',
                _INTERVAL,
                error,
            )

    def update(self, max_seconds: float | None = None) -> int:
        """Compare the index with the storage.

        A recording that has ended is checked once, when the index gets it.

        :param max_seconds: read no further recording after this time: the
            next update does; None: no limit
        :returns: the number of recordings whose entries have changed
        :raises OSError: the storage is unavailable
        """
        deadline = math.inf
        if max_seconds is not None:
            deadline = time.monotonic() + max_seconds
        known = self.queries.sizes()
        entries = {it.id: it for it in self.storage.common_entries()}
        gone = [*known.keys() - entries.keys()]
        for start in range(0, len(gone), _BATCH):
            self.queries.delete(gone[start : start + _BATCH])
        self._unreadable &= entries.keys()
        changed = len(gone)
        for entry in sorted(
            entries.values(), key=lambda it: it.changed_at, reverse=True
        ):
            if time.monotonic() > deadline:
                break
            if known.get(entry.id) != (entry.size, entry.is_finished):
                changed += self._add(entry)
        return changed

    def _add(self, entry: Entry) -> bool:
        try:
            recording = self._read(entry)
        except FileNotFoundError:
            # It was deleted meanwhile.
            return False
        except (KeyError, OSError, TypeError, ValueError) as error:
            if entry.id not in self._unreadable:
                self._unreadable.add(entry.id)
                LOG.error(
                    'Recording %s is not listed, because its beginning '
                    'cannot be read: %s',
                    entry.id,
                    error,
                )
            return False
        self._unreadable.discard(entry.id)
        self.queries.put(recording)
        return True

    def _read(self, entry: Entry) -> RecordedSession:
        """What a recording says of itself.

        :raises ValueError: its head is damaged
        """
        with self.storage.open(entry.id) as source:
            key = self.keys.of(entry.id, source)
            head = contents.head(source, key)
            state, duration = RecordingState.UNFINISHED, None
            if entry.is_finished:
                result = check.check(source, key)
                state = RecordingState.DAMAGED
                if result.is_good:
                    state = _STATES[result.state]
                duration = math.ceil(result.last / _MICRO)
        return RecordedSession(
            id=entry.id,
            session_id=head['session_id'],
            server_id=head['server_id'],
            project_id=head['project_id'],
            user_id=head['user_id'],
            console_type=head['console_type'],
            client_address=head['client_address'],
            format=head['format'],
            started_at=int(head['started_at']),
            duration=duration,
            size=entry.size,
            state=state,
        )
