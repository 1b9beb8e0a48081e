# SPDX-License-Identifier: Apache-2.0

"""Queries of the index of recordings.

The storage has the recordings. The index makes those of a server easy to find;
it can be made anew from the storage.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from console_svc import exception
from console_svc.db.engine import Connections, retried
from console_svc.db.recording_tables import recordings
from console_svc.recorded import RecordedSession, RecordingState


class RecordingQueries:
    """Lists recordings, and keeps the index of them."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def list(
        self, server_id: str, limit: int, marker: str | None = None
    ) -> Sequence[RecordedSession]:
        """A page of the recordings of a server, the newest first.

        :param marker: the id of the last one of the page before; None: list
            the first page
        :raises console_svc.exception.MarkerNotFound: the server has no
            recording with the id of the marker
        """
        columns = recordings.c
        wanted = (
            sa.select(recordings)
            .where(columns.server_id == server_id)
            .order_by(columns.started_at.desc(), columns.id.desc())
            .limit(limit)
        )
        if marker is not None:
            last = self.find(server_id, marker)
            if last is None:
                raise exception.MarkerNotFound(marker=marker)
            wanted = wanted.where(
                # The first condition is for the index.
                columns.started_at <= last.started_at,
                sa.or_(
                    columns.started_at < last.started_at,
                    columns.id < last.id,
                ),
            )
        return [to_recording(row) for row in self._connections.read(wanted)]

    def find(
        self, server_id: str, recording_id: str
    ) -> RecordedSession | None:
        """A recording of a server, if it has one with this id."""
        rows = self._connections.read(
            sa.select(recordings).where(
                recordings.c.id == recording_id,
                recordings.c.server_id == server_id,
            )
        )
        return to_recording(rows[0]) if rows else None

    def get_project(self, server_id: str) -> str | None:
        """The project of the newest recording of a server, if it has one."""
        columns = recordings.c
        rows = self._connections.read(
            sa.select(columns.project_id)
            .where(columns.server_id == server_id)
            .order_by(columns.started_at.desc(), columns.id.desc())
            .limit(1)
        )
        return rows[0]['project_id'] if rows else None

    def of_sessions(self, session_ids: Collection[str]) -> Mapping[str, str]:
        """The ids of the recordings of sessions, by session id."""
        if not session_ids:
            return {}
        columns = recordings.c
        rows = self._connections.read(
            sa.select(columns.session_id, columns.id).where(
                columns.session_id.in_(session_ids)
            )
        )
        return {row['session_id']: row['id'] for row in rows}

    def sizes(self) -> Mapping[str, tuple[int, bool]]:
        """The size of each recording, and whether its end is known."""
        columns = recordings.c
        rows = self._connections.read(
            sa.select(columns.id, columns.size, columns.state)
        )
        return {
            row['id']: (
                row['size'],
                row['state'] != RecordingState.UNFINISHED,
            )
            for row in rows
        }

    @retried
    def put(self, recording: RecordedSession) -> None:
        """Add a recording, or replace what the index has of it."""
        with self._connections.writing() as connection:
            connection.execute(
                recordings.delete().where(recordings.c.id == recording.id)
            )
            connection.execute(
                recordings.insert().values(dataclasses.asdict(recording))
            )

    @retried
    def delete(self, recording_ids: Collection[str]) -> None:
        """Delete recordings from the index."""
        if recording_ids:
            with self._connections.writing() as connection:
                connection.execute(
                    recordings.delete().where(
                        recordings.c.id.in_(recording_ids)
                    )
                )


def to_recording(row: sa.RowMapping) -> RecordedSession:
    """A row of the index as an object."""
    return RecordedSession(**{**row, 'state': RecordingState(row['state'])})
