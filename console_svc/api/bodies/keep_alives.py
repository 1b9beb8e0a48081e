# SPDX-License-Identifier: Apache-2.0

"""Bodies of PUT /console-sessions: keep-alive requests, and closes."""

from collections.abc import Mapping
from typing import Any, Final

from console_svc.api.bodies.holders import HOLDERS
from console_svc.api.bodies.schema import (
    NEW_UUID,
    TEXT,
    TIME_OR_NULL,
    UUID,
    list_of,
    one_of,
    record,
    validator,
)
from console_svc.api.operation import Form
from console_svc.consoles import new_sessions
from console_svc.endings import (
    REPORTED,
    EndReason,
    KeptProxy,
    Reports,
    SessionReport,
)
from console_svc.objects import SessionMode

# Sessions that one request keeps alive, and those that it closes.
_MAX_IDS: Final = 1000

MODE: Final = one_of(*SessionMode)

#: Bytes: what a column can have.
BYTES: Final = {'type': 'integer', 'minimum': 0, 'maximum': 2**63 - 1}

SECONDS_OR_NULL: Final = {'type': ['integer', 'null'], 'minimum': 0}

# A session that a console proxy closes.
_CLOSED: Final = record(
    id=NEW_UUID,
    reason=one_of(*REPORTED),
    received=BYTES,
    sent=BYTES,
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
                    'additionalProperties': MODE,
                    'maxProperties': _MAX_IDS,
                },
                'closed': {**list_of(_CLOSED), 'maxItems': _MAX_IDS},
                'others': {'type': 'boolean'},
            },
            'required': ['ids'],
            'additionalProperties': False,
        }
    )
)

_KEPT_SESSION: Final = record(
    id=UUID, expires=TIME_OR_NULL, expires_in=SECONDS_OR_NULL, mode=MODE
)
_NUMBER: Final = {'type': 'integer', 'minimum': 0}
_OTHERS: Final = record(control=_NUMBER, view=_NUMBER, sessions=HOLDERS)
_PROXY: Final[dict[str, Any]] = {
    'session_count': _NUMBER,
    'ended_session_ids': list_of(UUID),
    'ended': {'type': 'object', 'additionalProperties': TEXT},
    'modes': {'type': 'object', 'additionalProperties': MODE},
    'others_changes': _NUMBER,
}
_KEPT: Final = record(
    console_sessions=list_of(
        # The mode is in the answer if the process is not.
        {**_KEPT_SESSION, 'required': ['id', 'expires', 'expires_in']}
    ),
    console_proxy={
        **record(
            **_PROXY,
            others={'type': 'object', 'additionalProperties': _OTHERS},
        ),
        'required': [*_PROXY],
    },
)
# The process is in the answer if it is in the request.
KEPT: Final = (Form({**_KEPT, 'required': ['console_sessions']}),)
# What the clients of sessions that have ended see, by the reason. Where the
# reason is not here, the console proxy has a text.
_REASONS: Final[Mapping[str, str]] = {
    EndReason.TAKEN_OVER: '{user} has taken over the console.',
    EndReason.REPLACED: '{user} has opened another session in its place.',
}


def modes(wanted: Mapping[str, str]) -> Mapping[str, SessionMode]:
    """The modes that a valid request names, by session id."""
    return {it: SessionMode(mode) for it, mode in wanted.items()}


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
                'expires_in': seconds_left(expires, now),
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
            'others_changes': proxy.others_changes,
            **_others(proxy),
        },
    }


def _others(proxy: KeptProxy) -> dict[str, Any]:
    if proxy.others is None:
        return {}
    return {
        'others': {
            session_id: {
                'control': found.control,
                'view': found.view,
                'sessions': new_sessions.holders(found.known),
            }
            for session_id, found in proxy.others.items()
        }
    }


def seconds_left(expires: int | None, now: float) -> int | None:
    """Whole seconds until a session expires, for proxies with other clocks."""
    return None if expires is None else max(0, int(expires - now))
