# SPDX-License-Identifier: Apache-2.0

"""What the lists of sessions have in common."""

from typing import Any

from console_svc.api.bodies import session_lists
from console_svc.api.bodies.session_query import Status
from console_svc.api.controllers.paging import next_page
from console_svc.api.request import Request
from console_svc.consoles.session_lists import SessionLists
from console_svc.endings import EndedSession, SessionQuery
from console_svc.objects import ConsoleSession


def page(
    req: Request, lists: SessionLists, status: Status, query: SessionQuery
) -> dict[str, Any]:
    """A page of sessions, with a link to the next one.

    :raises console_svc.exception.MarkerNotFound: the marker is not the id of
        a session
    """
    listed: list[ConsoleSession | EndedSession] = (
        [*lists.ended(query)]
        if status == Status.ENDED
        else [*lists.live(query)]
    )
    recordings = lists.recordings(
        [
            it.session.id if isinstance(it, EndedSession) else it.id
            for it in listed
        ]
    )
    found = session_lists.listed(listed, recordings)
    # As in nova, a full page has a link even if no sessions follow.
    if listed and len(listed) == query.limit:
        marker = found['console_sessions'][-1]['id']
        found['console_sessions_links'] = next_page(req, marker)
    return found
