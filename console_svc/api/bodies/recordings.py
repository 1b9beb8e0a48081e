# SPDX-License-Identifier: Apache-2.0

"""Bodies of the resources that are about recordings."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from console_svc.api.bodies import schema as schemas
from console_svc.api.bodies import server_query
from console_svc.api.bodies.schema import (
    ADDRESS,
    NEW_UUID,
    NEXT,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    TIME_OR_NULL,
    URI,
    UUID,
    list_of,
    one_of,
    record,
)
from console_svc.api.bodies.server_parameters import NUMBER, Parameters
from console_svc.api.operation import Form
from console_svc.recorded import RecordedSession, RecordingState
from console_svc.recordings.formats import FORMATS

_RECORDING: Final[dict[str, Any]] = record(
    id=UUID,
    session_id=UUID,
    instance_uuid=TEXT,
    project_id=TEXT_OR_NULL,
    user_id=TEXT_OR_NULL,
    console_type=TEXT,
    client_address=TEXT_OR_NULL,
    format=one_of(*FORMATS),
    started_at=TIME,
    duration=TIME_OR_NULL,
    size=TIME,
    state=one_of(*RecordingState),
)
_LISTED: Final = record(
    console_recordings=list_of(_RECORDING), console_recordings_links=NEXT
)
LISTED: Final = (Form({**_LISTED, 'required': ['console_recordings']}),)
SHOWN: Final = (Form(record(console_recording=_RECORDING)),)
#: Playable files.
CONTENT: Final = tuple(
    Form({}, media_type=it.media_type) for it in FORMATS.values()
)
ACCESS: Final = (Form(record(access=record(url=URI, expires_at=TIME))),)

#: POST /console-recording-reads
READ: Final = schemas.validator(
    record(
        console_recording_read={
            'type': 'object',
            'properties': {
                'token': {'type': 'string', 'minLength': 1, 'maxLength': 255},
                'client_address': ADDRESS,
            },
            'required': ['token'],
            'additionalProperties': False,
        }
    )
)
READABLE: Final = (
    Form(
        record(
            console_recording_read=record(
                recording_id=UUID,
                server_id=TEXT,
                project_id=TEXT_OR_NULL,
                console_type=TEXT,
                started_at=TIME,
            )
        )
    ),
)

_QUERY: Final = schemas.validator(
    {
        'type': 'object',
        'properties': {'limit': NUMBER, 'marker': list_of(NEW_UUID)},
    }
)
#: The schemas of the query parameters of lists.
QUERY: Final[Mapping[str, Any]] = {
    'limit': {'type': 'integer', 'minimum': 0},
    'marker': NEW_UUID,
}


def page(parameters: Parameters, maximum: int) -> tuple[int, str | None]:
    """Limit and marker of a list.

    :param maximum: recordings of a page
    :raises console_svc.exception.BadRequest: they are invalid
    """
    known = {name: it for name, it in parameters.items() if name in QUERY}
    schemas.validate_query(_QUERY, known)
    marker = known.get('marker', [None])[-1]
    return server_query.limit(known, maximum), marker


def listed(recordings: Iterable[RecordedSession]) -> dict[str, Any]:
    """A server's recordings."""
    return {'console_recordings': [_recording(it) for it in recordings]}


def shown(recording: RecordedSession) -> dict[str, Any]:
    """A recording."""
    return {'console_recording': _recording(recording)}


def access(url: str, expires: int) -> dict[str, Any]:
    """Access to a recording for the page that plays it."""
    return {'access': {'url': url, 'expires_at': expires}}


def readable(recording: RecordedSession) -> dict[str, Any]:
    """A recording that may be read with a token."""
    return {
        'console_recording_read': {
            'recording_id': recording.id,
            'server_id': recording.server_id,
            'project_id': recording.project_id,
            'console_type': recording.console_type,
            'started_at': recording.started_at,
        }
    }


def _recording(recording: RecordedSession) -> dict[str, Any]:
    return {
        'id': recording.id,
        'session_id': recording.session_id,
        'instance_uuid': recording.server_id,
        'project_id': recording.project_id,
        'user_id': recording.user_id,
        'console_type': recording.console_type,
        'client_address': recording.client_address,
        'format': recording.format,
        'started_at': recording.started_at,
        'duration': recording.duration,
        'size': recording.size,
        'state': recording.state.value,
    }
