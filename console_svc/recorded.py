# SPDX-License-Identifier: Apache-2.0

"""Recorded sessions, as the index of recordings has them."""

import dataclasses
import enum


class RecordingState(enum.StrEnum):
    """What is known of a recording."""

    #: It is still written to, or its console proxy has just died.
    UNFINISHED = 'unfinished'
    #: It is whole, and ended with its session.
    COMPLETE = 'complete'
    #: It is whole, but its console proxy died or could not write.
    INTERRUPTED = 'interrupted'
    #: A part of it is missing or was changed.
    DAMAGED = 'damaged'


@dataclasses.dataclass(frozen=True, slots=True)
class RecordedSession:
    """A recording of a session.

    :param format: its name in :mod:`console_svc.recordings.formats`
    :param started_at: seconds of the UTC epoch
    :param duration: seconds up to its last event; None: not yet known
    :param size: bytes in the storage
    """

    id: str
    session_id: str
    server_id: str
    project_id: str | None
    user_id: str | None
    console_type: str
    client_address: str | None
    format: str
    started_at: int
    duration: int | None
    size: int
    state: RecordingState


@dataclasses.dataclass(frozen=True, slots=True)
class RecordingAccess:
    """The right to read one recording in the page for playback.

    :param token_hash: SHA-256 in hexadecimal of its token
    :param user_id: the user to whom it was given
    :param expires: the first second at which it is not valid any more
    """

    token_hash: str
    recording_id: str
    user_id: str | None
    expires: int
