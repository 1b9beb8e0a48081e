# SPDX-License-Identifier: Apache-2.0

"""Recordings of sessions: users list, read and delete them."""

import dataclasses
import logging
import uuid
from collections.abc import Iterator, Sequence

from oslo_utils import uuidutils

from console_svc import audit, exception
from console_svc.consoles.recording_index import RecordingIndex
from console_svc.context import RequestContext
from console_svc.recorded import RecordedSession
from console_svc.recordings import formats
from console_svc.recordings.formats import Format
from console_svc.recordings.keys import Keys
from console_svc.recordings.storage import Storage

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(slots=True)
class Content:
    """The playable file of a recording, as far as it is not damaged.

    :param size: bytes of the file
    """

    format: Format
    size: int
    _storage: Storage
    _keys: Keys
    _id: str

    def __iter__(self) -> Iterator[bytes]:
        return self.range(0, self.size)

    def range(self, start: int, stop: int) -> Iterator[bytes]:
        """A range of its bytes. More may have been recorded since."""
        at = 0
        for part in _parts(self._storage, self._keys, self._id):
            if at >= stop:
                break
            wanted = part[max(0, start - at) : stop - at]
            if wanted:
                yield wanted
            at += len(part)


class Recordings:
    """Lists, reads and deletes the recordings of servers.

    :param index: has the storage and the keys
    """

    def __init__(self, index: RecordingIndex, events: audit.Audit) -> None:
        self._queries = index.queries
        self._storage = index.storage
        self._keys = index.keys
        self._audit = events

    def get_project(self, server_id: str) -> str | None:
        """The project of a server that has recordings; None: it has none."""
        if not _is_id(server_id):
            return None
        return self._queries.get_project(server_id)

    def list(
        self, server_id: str, limit: int, marker: str | None = None
    ) -> Sequence[RecordedSession]:
        """A page of the recordings of a server, the newest first.

        :param marker: the id of the last one of the page before; None: list
            the first page
        :raises console_svc.exception.MarkerNotFound: the server has no
            recording with the id of the marker
        """
        return self._queries.list(server_id, limit, marker)

    def get(self, server_id: str, recording_id: str) -> RecordedSession:
        """A recording of a server.

        :raises console_svc.exception.RecordingNotFound: it has none with this
            id
        """
        found = None
        if _is_id(recording_id):
            found = self._queries.find(server_id, recording_id)
        if found is None:
            raise exception.RecordingNotFound(recording_id=recording_id)
        return found

    def read(
        self, context: RequestContext, server_id: str, recording_id: str
    ) -> Content:
        """The content of a recording.

        :raises console_svc.exception.RecordingNotFound: as of :meth:`get`, or
            the storage no longer has it
        :raises console_svc.exception.ServiceUnavailable: the storage does not
            answer, or the recording cannot be read
        """
        recording = self.get(server_id, recording_id)
        try:
            with self._storage.open(recording_id) as source:
                key = self._keys.of(recording_id, source)
                found = formats.of(source, key)
                size = sum(map(len, found.parts(source, key)))
        except FileNotFoundError:
            raise exception.RecordingNotFound(
                recording_id=recording_id
            ) from None
        except (OSError, ValueError) as error:
            LOG.error('Recording %s cannot be read: %s', recording_id, error)
            # The message of an OSError has the path.
            reason = 'the storage does not answer'
            if isinstance(error, ValueError):
                reason = str(error)
            raise exception.ServiceUnavailable(
                f'The recording cannot be read: {reason}.'
            ) from error
        self._record(context, audit.READ_RECORDING, recording)
        return Content(found, size, self._storage, self._keys, recording_id)

    def delete(
        self, context: RequestContext, server_id: str, recording_id: str
    ) -> None:
        """Delete a recording.

        :raises console_svc.exception.RecordingNotFound: as of :meth:`get`
        :raises console_svc.exception.ServiceUnavailable: the storage does not
            answer
        """
        recording = self.get(server_id, recording_id)
        try:
            self._storage.delete(recording_id)
        except OSError as error:
            LOG.error(
                'Recording %s cannot be deleted: %s', recording_id, error
            )
            raise exception.ServiceUnavailable(
                'The storage of recordings does not answer.'
            ) from error
        self._queries.delete([recording_id])
        self._record(context, audit.DELETE_RECORDING, recording)

    def _record(
        self, context: RequestContext, event: str, recording: RecordedSession
    ) -> None:
        self._audit.success(context, event, **target_of(recording))


def target_of(recording: RecordedSession) -> dict[str, object]:
    """The target of an event about a recording."""
    return {
        'server_id': recording.server_id,
        'console_type': recording.console_type,
        'session_id': recording.session_id,
        'recording_id': recording.id,
    }


def _is_id(text: str) -> bool:
    """Whether it can be the id of a server or recording, in its usual form.

    Some other texts cannot be sent to a database.
    """
    return uuidutils.is_uuid_like(text) and str(uuid.UUID(text)) == text


def _parts(stored: Storage, keys: Keys, recording_id: str) -> Iterator[bytes]:
    """The parts of the playable file."""
    with stored.open(recording_id) as source:
        yield from formats.parts(source, keys.of(recording_id, source))
