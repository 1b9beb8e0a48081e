# SPDX-License-Identifier: Apache-2.0

"""Bodies of all resources that are about console sessions."""

from typing import Any, Final

from console_svc.api.bodies.keep_alives import (
    MODE,
    SECONDS_OR_NULL,
    seconds_left,
)
from console_svc.api.bodies.schema import (
    ADDRESS,
    NEW_UUID,
    PORT,
    PORT_OR_NULL,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    TIME_OR_NULL,
    UUID,
    one_of,
    record,
    validator,
)
from console_svc.api.operation import Form
from console_svc.objects import (
    NATIVE_TYPE,
    ConnectInfo,
    ConsoleSession,
    ConsoleType,
)

# 256 random bits in URL-safe Base64.
_SECRET: Final = {
    'type': 'string',
    'pattern': '^[A-Za-z0-9_-]{43}$',
    # Python's $ also matches before a line break at the end.
    'maxLength': 43,
}

#: POST /os-console-auth-tokens/{console_token}/sessions
OPEN: Final = validator(
    record(
        session={
            'type': 'object',
            'properties': {
                'client_address': ADDRESS,
                'id': NEW_UUID,
                'secret': _SECRET,
                'previous_secret': _SECRET,
                'join': {'type': 'boolean'},
                'takeover': {'type': 'boolean'},
            },
            'additionalProperties': False,
        }
    )
)
#: PUT /servers/{server_id}/console-sessions/{session_id}
SET_MODE: Final = validator(record(console_session=record(mode=MODE)))

UUID_OR_NULL: Final = {**UUID, 'type': ['string', 'null']}
#: The members that sessions have everywhere.
SESSION: Final[dict[str, Any]] = {
    'id': UUID,
    'instance_uuid': TEXT,
    'project_id': TEXT,
    'user_id': TEXT_OR_NULL,
    'console_type': one_of(*ConsoleType, NATIVE_TYPE),
    'client_address': TEXT_OR_NULL,
    'created_at': TIME,
    'expires': TIME_OR_NULL,
    'mode': MODE,
}
OPENED: Final = (
    Form(
        record(
            session=record(
                **SESSION,
                host=TEXT,
                port=PORT,
                tls_port=PORT_OR_NULL,
                internal_access_path=TEXT_OR_NULL,
                expires_in=SECONDS_OR_NULL,
                previous_id=UUID_OR_NULL,
                record={'type': 'boolean'},
            )
        )
    ),
)
#: The members of current sessions in lists.
LIVE: Final[dict[str, Any]] = {**SESSION, 'enforced_mode': MODE}
SHOWN: Final = (Form(record(console_session=record(**LIVE))),)


def has_secret(document: Any) -> bool:
    """Whether the body of a request to open a session has a secret."""
    session = document.get('session') if isinstance(document, dict) else None
    return isinstance(session, dict) and not session.keys().isdisjoint(
        ('secret', 'previous_secret')
    )


def opened(
    session: ConsoleSession,
    info: ConnectInfo,
    now: float,
    previous_id: str | None = None,
) -> dict[str, Any]:
    """A session for its console proxy: with the connect info.

    :param now: seconds of the UTC epoch
    :param previous_id: the id of the session that it resumes, if any
    """
    return {
        'session': {
            **members(session),
            'host': info.host,
            'port': info.port,
            'tls_port': info.tls_port,
            'internal_access_path': info.internal_access_path,
            'expires_in': seconds_left(session.expires, now),
            'previous_id': previous_id,
            'record': session.record,
        }
    }


def shown(session: ConsoleSession) -> dict[str, Any]:
    """A current session."""
    return {'console_session': live(session)}


def live(session: ConsoleSession) -> dict[str, Any]:
    """A member of a list of current sessions."""
    return {**members(session), 'enforced_mode': session.enforced_mode}


def members(session: ConsoleSession) -> dict[str, Any]:
    """The members that a session has everywhere."""
    return {
        'id': session.id,
        'instance_uuid': session.server_id,
        'project_id': session.project_id,
        'user_id': session.user_id,
        'console_type': session.console_type,
        'client_address': session.client_address,
        'created_at': session.created_at,
        'expires': session.expires,
        'mode': session.mode,
    }
