# SPDX-License-Identifier: Apache-2.0

"""The answers of the API to keep-alive requests, validated."""

import dataclasses
import http
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Final

from console_svc.proxy.api_answers import (
    Response,
    deadline_of,
    mode_of,
)
from console_svc.proxy.errors import ApiUnavailable, Holder
from console_svc.proxy.members import holders, member


@dataclasses.dataclass(frozen=True, slots=True)
class Others:
    """The other sessions on the console of a session.

    :param control: the number of those with control
    :param view: the number of those that only watch
    :param known: those that the user of the session may list
    """

    control: int = 0
    view: int = 0
    known: Sequence[Holder] = ()


#: There are no others.
NOBODY: Final = Others()


@dataclasses.dataclass(frozen=True, slots=True)
class KeptProcess:
    """The sessions of this process, as the API knows them.

    :param kept: of those that the request has named: id -> monotonic time at
        which the session must end; None: never
    :param ended: ids of sessions that have ended and are not closed
    :param count: the number of sessions that continue
    :param reasons: why sessions have ended, for their users, by id
    :param modes: those that have changed, by session id
    :param others_changes: a number that changes with the other sessions on
        the consoles; None: an older API does not tell them
    :param others: those sessions, where there are some, by session id
    """

    kept: Mapping[str, float | None]
    ended: Sequence[str]
    count: int
    reasons: Mapping[str, str] = dataclasses.field(default_factory=dict)
    modes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    others_changes: int | None = None
    others: Mapping[str, Others] = dataclasses.field(default_factory=dict)


def modes(response: Response) -> Mapping[str, str]:
    """The modes in the answer to a keep-alive request, by session id.

    :raises console_svc.proxy.errors.ApiUnavailable: the answer is unexpected
    """
    return {
        session['id']: mode_of(session['mode'])
        for session in response.document['console_sessions']
        # An older API does not tell.
        if 'mode' in session
    }


def kept(response: Response) -> Mapping[str, float | None]:
    """The sessions in the answer to a keep-alive request.

    :returns: id -> monotonic time at which the session must end; None: never
    :raises console_svc.proxy.errors.ApiUnavailable: the answer is unexpected
    """
    if response.status != http.HTTPStatus.OK:
        raise response.unexpected
    return {
        member(session, 'id', str): deadline_of(session, response)
        for session in member(response.document, 'console_sessions', list)
    }


def kept_process(response: Response) -> KeptProcess:
    """The answer to the keep-alive request of a process.

    :raises console_svc.proxy.errors.ApiUnavailable: the answer is unexpected
    """
    sessions = kept(response)
    process = member(response.document, 'console_proxy', dict)
    ended = member(process, 'ended_session_ids', list)
    if not all(isinstance(it, str) for it in ended):
        raise ApiUnavailable(
            '"ended_session_ids" in its response has the wrong type'
        )
    # An older API has neither reasons nor modes, nor others.
    optional = {
        'ended': {},
        'modes': {},
        'others_changes': None,
        'others': {},
        **process,
    }
    reasons = member(optional, 'ended', dict)
    modes = member(optional, 'modes', dict)
    others = member(optional, 'others', dict)
    return KeptProcess(
        sessions,
        ended,
        member(process, 'session_count', int),
        {it: member(reasons, it, str) for it in reasons},
        {it: mode_of(mode) for it, mode in modes.items()},
        member(optional, 'others_changes', int, NoneType),
        {it: _others(found) for it, found in others.items()},
    )


def _others(found: object) -> Others:
    return Others(
        member(found, 'control', int),
        member(found, 'view', int),
        holders(member(found, 'sessions', list)),
    )
