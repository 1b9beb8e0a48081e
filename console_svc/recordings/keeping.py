# SPDX-License-Identifier: Apache-2.0

"""What keeps a storage in order: completion, upload and retention."""

import dataclasses
import logging
from collections.abc import Iterable, Sequence
from typing import Final

from oslo_config import cfg

from console_svc.recordings import check
from console_svc.recordings.check import Source
from console_svc.recordings.keys import Keys
from console_svc.recordings.pieces import Invalid
from console_svc.recordings.storage import Entry, Storage, Unavailable

LOG = logging.getLogger(__name__)

_DAY: Final = 86400
_MIB: Final = 1 << 20

#: Seconds between two rounds, where nothing is uploaded.
INTERVAL: Final = 60

# Seconds between two listings of an object store, for the retention.
_LISTING_INTERVAL: Final = 3600


def expired(
    entries: Iterable[Entry], days: int, size: int, now: float
) -> Sequence[Entry]:
    """The recordings that are kept no longer, the oldest first.

    Those that are still written to stay.

    :param days: after which a recording is deleted; 0: never
    :param size: bytes of all recordings; 0: no limit
    :param now: seconds of the UTC epoch
    """
    known = sorted(entries, key=lambda it: it.changed_at)
    total = sum(it.size for it in known)
    found = []
    for entry in known:
        if not entry.is_finished:
            continue
        is_old = days and entry.changed_at < now - days * _DAY
        if is_old or (size and total > size):
            found.append(entry)
            total -= entry.size
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """What one run has done: numbers of recordings.

    :param waiting: those that are finished, and not uploaded
    """

    completed: int = 0
    deleted: int = 0
    failed: int = 0
    uploaded: int = 0
    waiting: int = 0


class Keeping:
    """Completes recordings whose writer has died, and deletes old ones.

    It also uploads those that are finished.

    Several processes can do this with one storage.
    """

    def __init__(
        self, conf: cfg.ConfigOpts, storage: Storage, keys: Keys
    ) -> None:
        self._options = conf.recording
        self._storage = storage
        self._keys = keys
        # Recordings that cannot be completed: an error is logged once.
        self._hopeless: set[str] = set()
        # The type of what keeps recordings from being uploaded.
        self._problem: type[OSError] | None = None
        self._next_listing = 0.0
        #: Seconds between two rounds.
        self.interval: float = (
            self._options.upload_interval if storage.uploads else INTERVAL
        )

    def run(self, now: float) -> Kept:
        """Do it once.

        :param now: seconds of the UTC epoch
        :raises OSError: the storage is unavailable
        """
        written = [*self._storage.written()]
        completed, failed = self._complete_all(written)
        uploaded = waiting = 0
        if self._storage.uploads:
            # Those that were completed now are uploaded in the next round.
            uploaded, waiting = self._upload_all(written)
        deleted, kept = self._delete_all(written, now)
        return Kept(completed, deleted, failed + kept, uploaded, waiting)

    def _complete_all(self, written: Iterable[Entry]) -> tuple[int, int]:
        """Complete what is not finished; how many were, and were not."""
        completed = failed = 0
        for entry in written:
            if entry.is_finished or entry.id in self._hopeless:
                continue
            try:
                completed += self._complete(entry.id)
            except ValueError as error:
                failed += 1
                self._hopeless.add(entry.id)
                LOG.error(
                    'Recording %s was interrupted and cannot be completed; '
                    'it stays as it is: %s',
                    entry.id,
                    error,
                )
            except OSError as error:
                failed += 1
                LOG.error(
                    'Recording %s was interrupted; to complete it will be '
                    'tried again: %s',
                    entry.id,
                    error,
                )
        return completed, failed

    def _upload_all(self, written: Iterable[Entry]) -> tuple[int, int]:
        """Upload what is finished; how many were, and how many wait."""
        waiting = sorted(
            (it for it in written if it.is_finished),
            key=lambda it: it.changed_at,
        )
        uploaded = 0
        problem: OSError | None = None
        for entry in waiting:
            try:
                if self._storage.upload(entry.id):
                    uploaded += 1
                    LOG.info('Recording %s was uploaded', entry.id)
            except Unavailable as error:
                problem = error
                break
            except OSError as error:
                problem = error
        self._report(problem, uploaded)
        return uploaded, len(waiting) - uploaded

    def _report(self, problem: OSError | None, uploaded: int) -> None:
        """Log why recordings cannot be uploaded, when that changes."""
        if problem is None and uploaded and self._problem is not None:
            LOG.info('Recordings can be uploaded again')
            self._problem = None
        elif problem is not None and type(problem) is not self._problem:
            LOG.error(
                'Recordings cannot be uploaded. They stay in [recording] '
                'directory, and to upload them will be tried again: %s',
                problem,
            )
            self._problem = type(problem)

    def _delete_all(
        self, written: Sequence[Entry], now: float
    ) -> tuple[int, int]:
        """Delete what is kept no longer; how many were, and were not."""
        days, size = self._options.days, self._options.size * _MIB
        if not (days or size):
            return 0, 0
        entries = written
        if self._storage.uploads:
            if now < self._next_listing:
                return 0, 0
            self._next_listing = now + INTERVAL
            entries = [*self._storage.entries()]
            self._next_listing = now + _LISTING_INTERVAL
        deleted = failed = 0
        for entry in expired(entries, days, size, now):
            try:
                self._storage.delete(entry.id)
            except OSError as error:
                failed += 1
                LOG.error(
                    'Recording %s cannot be deleted: %s', entry.id, error
                )
            else:
                deleted += 1
                LOG.info(
                    'Recording %s was deleted: [recording] days or size keeps '
                    'it no longer',
                    entry.id,
                )
        return deleted, failed

    def _complete(self, recording_id: str) -> bool:
        def completing(source: Source) -> tuple[int, bytes]:
            key = self._keys.of(recording_id, source)
            try:
                return check.completion(source, key)
            except Invalid:
                raise ValueError(
                    'it was changed, or its key is not in the key file'
                ) from None

        completed = self._storage.complete(recording_id, completing)
        if completed:
            LOG.info(
                'Recording %s was completed: its console proxy had died, or '
                'could not write',
                recording_id,
            )
        return completed
