# SPDX-License-Identifier: Apache-2.0

"""The answers of the API to keep-alive requests, validated."""

import dataclasses
import http
from collections.abc import Mapping, Sequence

from console_svc.proxy.api_answers import (
    Response,
    deadline_of,
    member,
    mode_of,
)
from console_svc.proxy.errors import ApiUnavailable


@dataclasses.dataclass(frozen=True, slots=True)
class KeptProcess:
    """The sessions of this process, as the API knows them.

    :param kept: of those that the request has named: id -> monotonic time at
        which the session must end; None: never
    :param ended: ids of sessions that have ended and are not closed
    :param count: the number of sessions that continue
    :param reasons: why sessions have ended, for their users, by id
    :param modes: those that have changed, by session id
    """

    kept: Mapping[str, float | None]
    ended: Sequence[str]
    count: int
    reasons: Mapping[str, str] = dataclasses.field(default_factory=dict)
    modes: Mapping[str, str] = dataclasses.field(default_factory=dict)


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
    # An older API has neither reasons nor modes.
    optional = {'ended': {}, 'modes': {}, **process}
    reasons = member(optional, 'ended', dict)
    modes = member(optional, 'modes', dict)
    return KeptProcess(
        sessions,
        ended,
        member(process, 'session_count', int),
        {it: member(reasons, it, str) for it in reasons},
        {it: mode_of(mode) for it, mode in modes.items()},
    )
