# SPDX-License-Identifier: Apache-2.0

"""Queries of the tokens with which recordings are read for playback."""

import dataclasses

import sqlalchemy as sa

from console_svc.db import rows
from console_svc.db.engine import Connections, retried
from console_svc.db.recording_tables import recording_accesses, recordings
from console_svc.db.recordings import to_recording
from console_svc.recorded import RecordedSession, RecordingAccess


class RecordingAccessQueries:
    """Stores and finds accesses to recordings."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @retried
    def create(self, access: RecordingAccess) -> None:
        """Store an access."""
        with self._connections.writing() as connection:
            connection.execute(
                recording_accesses.insert().values(dataclasses.asdict(access))
            )

    def find(
        self, token_hash: str, now: int
    ) -> tuple[RecordingAccess, RecordedSession] | None:
        """An access and its recording, unless it has expired.

        :param now: seconds of the UTC epoch
        :returns: None: there is none, or the recording was deleted
        """
        columns = recording_accesses.c
        wanted = sa.select(recording_accesses).where(
            columns.token_hash == token_hash, columns.expires > now
        )
        known = self._connections.read(wanted)
        if not known and self._connections.has_moved():
            known = self._connections.read(wanted)
        if not known:
            return None
        access = RecordingAccess(**known[0])
        found = self._connections.read(
            sa.select(recordings).where(recordings.c.id == access.recording_id)
        )
        return (access, to_recording(found[0])) if found else None

    @retried
    def purge(self, now: int, batch: int) -> int:
        """Delete expired accesses, at most a batch of them.

        :param now: seconds of the UTC epoch
        :returns: the number of rows found
        """
        columns = recording_accesses.c
        return rows.purge(
            self._connections, columns.token_hash, columns.expires, now, batch
        )
