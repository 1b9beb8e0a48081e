# SPDX-License-Identifier: Apache-2.0

"""Bodies of lists of sessions: current ones, and the history."""

from collections.abc import Iterable
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
from console_svc.api.bodies.sessions import LIVE, SESSION, live, members
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
_LISTED: Final = record(
    console_sessions=list_of(
        {**record(**LIVE, **_ENDING), 'required': [*SESSION]}
    ),
    console_sessions_links=NEXT,
)
LISTED: Final = (Form({**_LISTED, 'required': ['console_sessions']}),)


def listed(
    sessions: Iterable[ConsoleSession | EndedSession],
) -> dict[str, Any]:
    """Current sessions, or sessions of the history."""
    return {
        'console_sessions': [
            _ended(it) if isinstance(it, EndedSession) else live(it)
            for it in sessions
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
