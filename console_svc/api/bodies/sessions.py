# SPDX-License-Identifier: Apache-2.0

"""Bodies of all resources that are about console sessions."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

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
    list_of,
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
    EndReason,
    KeptProxy,
    SessionMode,
)

# Sessions that one request keeps alive, and those that it closes.
_MAX_IDS: Final = 1000

_MODE: Final = one_of(*SessionMode)

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
#: PUT /console-sessions
KEEP: Final = validator(
    record(
        console_sessions={
            'type': 'object',
            'properties': {
                'ids': {**list_of(UUID), 'maxItems': _MAX_IDS},
                'proxy_id': NEW_UUID,
                'closed_ids': {**list_of(NEW_UUID), 'maxItems': _MAX_IDS},
                'modes': {
                    'type': 'object',
                    'propertyNames': NEW_UUID,
                    'additionalProperties': _MODE,
                    'maxProperties': _MAX_IDS,
                },
            },
            'required': ['ids'],
            'additionalProperties': False,
        }
    )
)

#: PUT /servers/{server_id}/console-sessions/{session_id}
SET_MODE: Final = validator(record(console_session=record(mode=_MODE)))

_UUID_OR_NULL: Final = {**UUID, 'type': ['string', 'null']}
_SECONDS_OR_NULL: Final = {'type': ['integer', 'null'], 'minimum': 0}
_SESSION: Final[dict[str, Any]] = {
    'id': UUID,
    'instance_uuid': TEXT,
    'project_id': TEXT,
    'user_id': TEXT_OR_NULL,
    'console_type': one_of(*ConsoleType, NATIVE_TYPE),
    'client_address': TEXT_OR_NULL,
    'created_at': TIME,
    'expires': TIME_OR_NULL,
    'mode': _MODE,
}
OPENED: Final = (
    Form(
        record(
            session=record(
                **_SESSION,
                host=TEXT,
                port=PORT,
                tls_port=PORT_OR_NULL,
                internal_access_path=TEXT_OR_NULL,
                expires_in=_SECONDS_OR_NULL,
                previous_id=_UUID_OR_NULL,
            )
        )
    ),
)
_KEPT_SESSION: Final = record(
    id=UUID, expires=TIME_OR_NULL, expires_in=_SECONDS_OR_NULL, mode=_MODE
)
_KEPT: Final = record(
    console_sessions=list_of(
        # The mode is in the answer if the process is not.
        {**_KEPT_SESSION, 'required': ['id', 'expires', 'expires_in']}
    ),
    console_proxy=record(
        session_count={'type': 'integer', 'minimum': 0},
        ended_session_ids=list_of(UUID),
        ended={'type': 'object', 'additionalProperties': TEXT},
        modes={'type': 'object', 'additionalProperties': _MODE},
    ),
)
# The process is in the answer if it is in the request.
KEPT: Final = (Form({**_KEPT, 'required': ['console_sessions']}),)
_LISTED: Final = record(**_SESSION, enforced_mode=_MODE)
LISTED: Final = (Form(record(console_sessions=list_of(_LISTED))),)
SHOWN: Final = (Form(record(console_session=_LISTED)),)

# What the clients of sessions that have ended see, by the reason. Where the
# reason is not here, the console proxy has a text.
_REASONS: Final = {
    EndReason.TAKEN_OVER: '{user} has taken over the console.',
    EndReason.REPLACED: '{user} has opened another session in its place.',
}


def has_secret(document: Any) -> bool:
    """Whether the body of a request to open a session has a secret."""
    session = document.get('session') if isinstance(document, dict) else None
    return isinstance(session, dict) and not session.keys().isdisjoint(
        ('secret', 'previous_secret')
    )


def modes(wanted: Mapping[str, str]) -> Mapping[str, SessionMode]:
    """The modes that a valid request names, by session id."""
    return {it: SessionMode(mode) for it, mode in wanted.items()}


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
            **_session(session),
            'host': info.host,
            'port': info.port,
            'tls_port': info.tls_port,
            'internal_access_path': info.internal_access_path,
            'expires_in': _seconds_left(session.expires, now),
            'previous_id': previous_id,
        }
    }


def kept(
    sessions: Mapping[str, int | None],
    now: float,
    modes: Mapping[str, SessionMode] = {},
) -> dict[str, Any]:
    """The sessions of a console proxy that are still open.

    :param sessions: session id -> when it expires
    :param now: seconds of the UTC epoch
    :param modes: session id -> mode
    """
    return {
        'console_sessions': [
            {
                'id': session_id,
                'expires': expires,
                'expires_in': _seconds_left(expires, now),
                **({'mode': modes[session_id]} if session_id in modes else {}),
            }
            for session_id, expires in sessions.items()
        ]
    }


def kept_proxy(proxy: KeptProxy, now: float) -> dict[str, Any]:
    """A process of a console proxy, and those sessions that it has listed.

    :param now: seconds of the UTC epoch
    """
    return {
        **kept(proxy.kept, now),
        'console_proxy': {
            'session_count': proxy.count,
            'ended_session_ids': [*proxy.ended],
            'ended': {
                session_id: _REASONS[reason].format(
                    user=f'User {user_id}' if user_id else 'Another user'
                )
                for session_id, (reason, user_id) in proxy.reasons.items()
                if reason in _REASONS
            },
            'modes': dict(proxy.modes),
        },
    }


def listed(sessions: Iterable[ConsoleSession]) -> dict[str, Any]:
    """A server's sessions."""
    return {'console_sessions': [_listed(session) for session in sessions]}


def shown(session: ConsoleSession) -> dict[str, Any]:
    """One session of a server."""
    return {'console_session': _listed(session)}


def _listed(session: ConsoleSession) -> dict[str, Any]:
    return {**_session(session), 'enforced_mode': session.enforced_mode}


def _seconds_left(expires: int | None, now: float) -> int | None:
    """Whole seconds until a session expires, for proxies with other clocks."""
    return None if expires is None else max(0, int(expires - now))


def _session(session: ConsoleSession) -> dict[str, Any]:
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
