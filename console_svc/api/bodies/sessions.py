# SPDX-License-Identifier: Apache-2.0

"""Bodies of all resources that are about console sessions."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from console_svc.api.bodies.schema import (
    ADDRESS,
    NEW_UUID,
    NEXT,
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
from console_svc.endings import (
    REPORTED,
    EndedSession,
    EndReason,
    Reports,
    SessionReport,
)
from console_svc.objects import (
    NATIVE_TYPE,
    ConnectInfo,
    ConsoleSession,
    ConsoleType,
    KeptProxy,
    SessionMode,
)

# Sessions that one request keeps alive, and those that it closes.
_MAX_IDS: Final = 1000

# 256 random bits in URL-safe Base64.
_SECRET: Final = {
    'type': 'string',
    'pattern': '^[A-Za-z0-9_-]{43}$',
    # Python's $ also matches before a line break at the end.
    'maxLength': 43,
}

# Bytes: what a column can have.
_BYTES: Final = {'type': 'integer', 'minimum': 0, 'maximum': 2**63 - 1}

# A session that a console proxy closes.
_CLOSED: Final = record(
    id=NEW_UUID,
    reason=one_of(*REPORTED),
    received=_BYTES,
    sent=_BYTES,
)

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
                'closed': {**list_of(_CLOSED), 'maxItems': _MAX_IDS},
            },
            'required': ['ids'],
            'additionalProperties': False,
        }
    )
)

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
    'mode': one_of(*SessionMode),
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
_KEPT: Final = record(
    console_sessions=list_of(
        record(id=UUID, expires=TIME_OR_NULL, expires_in=_SECONDS_OR_NULL)
    ),
    console_proxy=record(
        session_count={'type': 'integer', 'minimum': 0},
        ended_session_ids=list_of(UUID),
    ),
)
# The process is in the answer if it is in the request.
KEPT: Final = (Form({**_KEPT, 'required': ['console_sessions']}),)
# What the members of the history have beside those of current sessions.
_ENDING: Final[dict[str, Any]] = {
    'ended_at': TIME,
    'end_reason': one_of(*EndReason),
    'ended_by': TEXT_OR_NULL,
    'received': _BYTES,
    'sent': _BYTES,
}
_LISTED: Final = record(
    console_sessions=list_of(
        {**record(**_SESSION, **_ENDING), 'required': [*_SESSION]}
    ),
    console_sessions_links=NEXT,
)
LISTED: Final = (Form({**_LISTED, 'required': ['console_sessions']}),)


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
            **_session(session),
            'host': info.host,
            'port': info.port,
            'tls_port': info.tls_port,
            'internal_access_path': info.internal_access_path,
            'expires_in': _seconds_left(session.expires, now),
            'previous_id': previous_id,
        }
    }


def kept(sessions: Mapping[str, int | None], now: float) -> dict[str, Any]:
    """The sessions of a console proxy that are still open.

    :param sessions: session id -> when it expires
    :param now: seconds of the UTC epoch
    """
    return {
        'console_sessions': [
            {
                'id': session_id,
                'expires': expires,
                'expires_in': _seconds_left(expires, now),
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
        },
    }


def reports(document: Any) -> Reports:
    """What a console proxy reports of the sessions that it closes, by id.

    :param document: a valid body of PUT /console-sessions
    """
    return {
        it['id']: SessionReport(
            EndReason(it['reason']), it['received'], it['sent']
        )
        for it in document['console_sessions'].get('closed', ())
    }


def listed(
    sessions: Iterable[ConsoleSession | EndedSession],
) -> dict[str, Any]:
    """Current sessions, or sessions of the history."""
    return {
        'console_sessions': [
            _ended(it) if isinstance(it, EndedSession) else _session(it)
            for it in sessions
        ]
    }


def _ended(ended: EndedSession) -> dict[str, Any]:
    return {
        **_session(ended.session),
        'ended_at': ended.ending.at,
        'end_reason': ended.ending.reason,
        'ended_by': ended.ending.by,
        'received': ended.ending.received,
        'sent': ended.ending.sent,
    }


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
