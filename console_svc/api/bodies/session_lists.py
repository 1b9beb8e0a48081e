# SPDX-License-Identifier: Apache-2.0

"""Bodies of lists of sessions: current ones, and the history."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from console_svc.api.bodies.keep_alives import BYTES
from console_svc.api.bodies.schema import (
    NEXT,
    TEXT_OR_NULL,
    TIME,
    list_of,
    one_of,
    record,
)
from console_svc.api.bodies.sessions import (
    LIVE,
    SESSION,
    UUID_OR_NULL,
    live,
    members,
)
from console_svc.api.operation import Form
from console_svc.endings import EndedSession, EndReason
from console_svc.objects import ConsoleSession

# What sessions of the history have beside the members of all sessions.
_ENDING: Final[dict[str, Any]] = {
    'ended_at': TIME,
    'end_reason': one_of(*EndReason),
    'ended_by': TEXT_OR_NULL,
    'received': BYTES,
    'sent': BYTES,
}
_MEMBERS: Final = {**SESSION, 'recording_id': UUID_OR_NULL}
_LISTED: Final = record(
    console_sessions=list_of(
        {**record(**{**LIVE, **_MEMBERS, **_ENDING}), 'required': [*_MEMBERS]}
    ),
    console_sessions_links=NEXT,
)
LISTED: Final = (Form({**_LISTED, 'required': ['console_sessions']}),)


def listed(
    sessions: Iterable[ConsoleSession | EndedSession],
    recordings: Mapping[str, str],
) -> dict[str, Any]:
    """Current sessions, or sessions of the history.

    :param recordings: the ids of their recordings, by session id
    """
    found = [
        _ended(it) if isinstance(it, EndedSession) else live(it)
        for it in sessions
    ]
    return {
        'console_sessions': [
            {**it, 'recording_id': recordings.get(it['id'])} for it in found
        ]
    }


def _ended(ended: EndedSession) -> dict[str, Any]:
    return {
        **members(ended.session),
        'ended_at': ended.ending.at,
        'end_reason': ended.ending.reason,
        'ended_by': ended.ending.by,
        'received': ended.ending.received,
        'sent': ended.ending.sent,
    }
