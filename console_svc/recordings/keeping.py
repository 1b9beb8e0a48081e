# SPDX-License-Identifier: Apache-2.0

"""What keeps a storage in order: completion, and retention."""

import dataclasses
import logging
from collections.abc import Iterable, Sequence
from typing import Final

from oslo_config import cfg

from console_svc.recordings import check
from console_svc.recordings.check import Source
from console_svc.recordings.keys import Keys
from console_svc.recordings.pieces import Invalid
from console_svc.recordings.storage import Entry, Storage

LOG = logging.getLogger(__name__)

_DAY: Final = 86400
_MIB: Final = 1 << 20


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
    """What one run has done: numbers of recordings."""

    completed: int
    deleted: int
    failed: int


class Keeping:
    """Completes recordings whose writer has died, and deletes old ones.

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

    def run(self, now: float) -> Kept:
        """Do it once.

        :param now: seconds of the UTC epoch
        :raises OSError: the storage is unavailable
        """
        completed = deleted = failed = 0
        entries = [*self._storage.entries()]
        for entry in entries:
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
        size = self._options.size * _MIB
        for entry in expired(entries, self._options.days, size, now):
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
        return Kept(completed, deleted, failed)

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
