# SPDX-License-Identifier: Apache-2.0

"""How sessions end, and the history of those that have.

As in :mod:`console_svc.objects`, times are seconds of the UTC epoch.
"""

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from console_svc.objects import ConsoleSession, SessionMode


class EndReason(enum.StrEnum):
    """Why a session has ended.

    The first group is what its console proxy reports when it closes it.
    """

    CLIENT_CLOSED = 'client_closed'
    SERVER_CLOSED = 'server_closed'
    IDLE = 'idle'
    EXPIRED = 'expired'
    DRAINED = 'drained'
    ERROR = 'error'
    #: Its proxy has closed it, and has not said why.
    CLOSED = 'closed'

    #: Through the API.
    ENDED = 'ended'
    #: Its token was revoked, or its server was deleted.
    REVOKED = 'revoked'
    #: Another session was opened, and the server had too many.
    REPLACED = 'replaced'
    TAKEN_OVER = 'taken_over'
    #: Its client has opened another session in its place.
    RESUMED = 'resumed'
    #: It was not kept alive.
    LAPSED = 'lapsed'


#: The reasons that a console proxy can report.
REPORTED: Final = (
    EndReason.CLIENT_CLOSED,
    EndReason.SERVER_CLOSED,
    EndReason.IDLE,
    EndReason.EXPIRED,
    EndReason.DRAINED,
    EndReason.ERROR,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Ending:
    """The end of a session.

    :param at: when it ended; if it has lapsed, when it was last known to live
    :param by: the user who has ended it; None: it is unknown, or no user has
    :param received: bytes from the client, as its proxy has reported
    :param sent: bytes to the client
    """

    reason: EndReason
    at: int
    by: str | None = None
    received: int = 0
    sent: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class SessionReport:
    """What a console proxy reports when it closes a session.

    :param received: bytes from the client
    :param sent: bytes to the client
    """

    reason: EndReason
    received: int
    sent: int


#: Session id -> what its console proxy reports.
Reports = Mapping[str, SessionReport]

#: No proxy reports anything.
NO_REPORTS: Final[Reports] = MappingProxyType({})


@dataclasses.dataclass(frozen=True, slots=True)
class EndedSession:
    """A session of the history."""

    session: ConsoleSession
    ending: Ending


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SessionQuery:
    """Which sessions to list. None: any.

    :param since: those that were opened or, in the history, ended at this
        second or later
    :param before: those that were opened or ended at this second or earlier
    :param marker: the id of the last session of the page before; None: list
        the first page
    :param limit: the number of sessions of a page
    """

    server_id: str | None = None
    project_id: str | None = None
    user_id: str | None = None
    console_type: str | None = None
    since: int | None = None
    before: int | None = None
    marker: str | None = None
    limit: int


@dataclasses.dataclass(frozen=True, slots=True)
class ResumedSessions:
    """The sessions that a session which resumes another one has affected.

    :param session: the session that resumes another one, as it was stored
    :param previous_id: of the session whose place it has taken; None: it is
        another channel beside that session
    :param resumed: that session, unless it was closed already
    :param replaced: those that have ended to make room
    """

    session: ConsoleSession
    previous_id: str | None
    resumed: Sequence[ConsoleSession]
    replaced: Sequence[ConsoleSession]


@dataclasses.dataclass(frozen=True, slots=True)
class Others:
    """The other sessions on the console of a session.

    :param control: the number of those with control
    :param view: the number of those that only watch
    :param known: those that the user of the session may list
    """

    control: int
    view: int
    known: Sequence[ConsoleSession]


@dataclasses.dataclass(frozen=True, slots=True)
class KeptProxy:
    """What a process of a console proxy learns from its keep-alive.

    :param kept: id -> expiry of the listed sessions that continue; None: they
        do not expire
    :param ended: ids of its sessions that have ended, until it closes them
    :param count: the number of its sessions that continue
    :param modes: new modes of its sessions by id, until it confirms them
    :param reasons: why sessions have ended, and the user by whom, by id; of
        those where this is stored
    :param others_changes: grows when other sessions on consoles of its
        sessions change
    :param others: those sessions, where there are some, by id of its own; None
        unless it has asked for them
    """

    kept: Mapping[str, int | None]
    ended: Sequence[str]
    count: int
    modes: Mapping[str, SessionMode] = dataclasses.field(default_factory=dict)
    reasons: Mapping[str, tuple[EndReason, str | None]] = dataclasses.field(
        default_factory=dict, compare=False
    )
    others_changes: int = dataclasses.field(default=0, compare=False)
    others: Mapping[str, Others] | None = None
