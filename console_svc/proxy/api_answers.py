# SPDX-License-Identifier: Apache-2.0

"""The answers of the API, validated: the proxy uses nothing else of them.

An answer without a member that it must have, or with one of another type,
raises :class:`console_svc.proxy.errors.ApiUnavailable`.
"""

import dataclasses
import email.utils
import http
import logging
import time
from collections.abc import Mapping
from types import NoneType
from typing import Any, Final

from console_svc.proxy.errors import (
    ApiUnavailable,
    Conflict,
    LoginFailed,
    NoPlace,
    Refused,
)
from console_svc.proxy.members import MAX_TIME, holders, member

LOG = logging.getLogger(__name__)

# Console types whose protocol is RFB.
_RFB_TYPES: Final = frozenset({'novnc', 'vnc'})

#: The console type of native SPICE clients.
SPICE_DIRECT: Final = 'spice-direct'

#: The console type of ESXi hosts.
WEBMKS: Final = 'webmks'

# Console types whose protocol is SPICE.
_SPICE_TYPES: Final = frozenset({'spice-html5', SPICE_DIRECT})

# The console type whose protocol is RDP.
_RDP_TYPE: Final = 'rdp-html5'

#: The modes of a session: the client drives the console, or watches it.
CONTROL: Final = 'control'
VIEW: Final = 'view'

# The API's message of a 403 that is about the token, and not about the
# credential of the proxy.
WRONG_ADDRESS: Final = 'Token was issued to another address'

# The member limit_of of a 403 -> what the client gets to know. The API's
# message has the id of the project.
_OVER_LIMIT: Final[Mapping[Any, str]] = {
    'project': 'The project has as many console sessions as it may.',
    'user': 'The user has as many console sessions as a user may.',
}

_MAX_PORT: Final = 65535

# Seconds: the longest wait of a client that is locked out.
_LONGEST_WAIT: Final = 30


# Members of an opened session that describe its user, for recordings.
_OWNER: Final = ('project_id', 'user_id', 'client_address')


@dataclasses.dataclass(frozen=True, slots=True)
class Response:
    """A response of the API.

    :param document: its JSON; None without a body
    :param sent_at: monotonic time at which the request was sent
    :param date: its Date header; None: it has none
    :param retry_after: seconds in its Retry-After header, or 0
    :param repeated: whether the request was sent more than once, because an
        answer was lost
    """

    status: int
    document: Any
    sent_at: float
    date: str | None
    retry_after: int = 0
    repeated: bool = False

    @property
    def api_time(self) -> float:
        """The API's clock, or else this host's, in seconds of the epoch."""
        try:
            date = email.utils.parsedate_to_datetime(self.date or '')
            return date.timestamp()
        except (ValueError, OverflowError):
            return time.time()

    @property
    def details(self) -> Mapping[str, Any]:
        """The members of a fault; empty if it is none."""
        try:
            (fault,) = self.document.values()
            return {**fault}
        except (AttributeError, TypeError, ValueError):
            return {}

    @property
    def message(self) -> str:
        """The message of a fault."""
        return str(self.details.get('message', 'no reason is given'))

    @property
    def over_limit(self) -> str | None:
        """The reason of a refusal because of a limit; None: it is none."""
        if self.status != http.HTTPStatus.FORBIDDEN:
            return None
        owner = self.details.get('limit_of')
        return _OVER_LIMIT.get(owner) if isinstance(owner, str) else None

    @property
    def unexpected(self) -> ApiUnavailable:
        """The error for a status that the request should not have."""
        return ApiUnavailable(f'HTTP {self.status}: {self.message}')


@dataclasses.dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session as the API has opened it, and where its console is.

    :param deadline: monotonic time at which it must end; None: never
    :param previous_id: the session that it resumes; None: none
    :param mode: :data:`CONTROL` or :data:`VIEW`
    :param is_recorded: whether it must be recorded, whatever the options say
    """

    id: str
    server_id: str
    console_type: str
    host: str
    port: int
    internal_access_path: str | None
    deadline: float | None
    previous_id: str | None = None
    tls_port: int | None = None
    project_id: str | None = None
    user_id: str | None = None
    client_address: str | None = None
    mode: str = CONTROL
    is_recorded: bool = False

    @property
    def speaks_rfb(self) -> bool:
        """Whether the console's protocol is RFB."""
        return self.console_type in _RFB_TYPES

    @property
    def speaks_spice(self) -> bool:
        """Whether the console's protocol is SPICE."""
        return self.console_type in _SPICE_TYPES

    @property
    def speaks_rdp(self) -> bool:
        """Whether the console's protocol is RDP."""
        return self.console_type == _RDP_TYPE


def opened(response: Response) -> OpenedSession:
    """The session in the answer to a request that opens one.

    :raises console_svc.proxy.errors.Refused: the API refuses it
    :raises console_svc.proxy.errors.ApiUnavailable: the answer is unexpected,
        or a refusal of the proxy's credential
    """
    status, message = response.status, response.message
    is_conflict = status == http.HTTPStatus.CONFLICT
    if is_conflict or (
        status == http.HTTPStatus.FORBIDDEN and message == WRONG_ADDRESS
    ):
        LOG.info('The API refuses a session: %s', message)
        can_take_over = response.details.get('takeover') == 'allowed'
        named = holders(response.details.get('holders', []))
        if is_conflict and (can_take_over or named):
            raise NoPlace(f'{message}.', can_take_over, named)
        raise (Conflict if is_conflict else Refused)(f'{message}.')
    if response.over_limit:
        LOG.info('The API refuses a session: %s', message)
        # As a conflict, it may end with a session that is being closed.
        raise Conflict(response.over_limit)
    if status != http.HTTPStatus.CREATED:
        raise response.unexpected
    session = member(response.document, 'session', dict)
    port = _port(session, 'port', int)
    return OpenedSession(
        id=member(session, 'id', str),
        server_id=member(session, 'instance_uuid', str),
        console_type=member(session, 'console_type', str),
        host=member(session, 'host', str),
        port=port,
        internal_access_path=member(
            session, 'internal_access_path', str, NoneType
        ),
        deadline=deadline_of(session, response),
        # An older API does not have it.
        previous_id=member(
            {'previous_id': None, **session}, 'previous_id', str, NoneType
        ),
        tls_port=_port(session, 'tls_port', int, NoneType),
        **{it: session.get(it) for it in _OWNER},
        mode=mode_of(session.get('mode', CONTROL)),
        # An older API does not have it.
        is_recorded=member({'record': False, **session}, 'record', bool),
    )


def logged_in(response: Response) -> OpenedSession:
    """The session in the answer to a log-in.

    :raises console_svc.proxy.errors.LoginFailed: the response is wrong, or the
        console is locked
    :raises console_svc.proxy.errors.Refused: the API refuses the session
    :raises console_svc.proxy.errors.ApiUnavailable: the answer is unexpected,
        or a refusal of the proxy's credential
    """
    match response.status:
        case http.HTTPStatus.TOO_MANY_REQUESTS:
            raise LoginFailed(
                'Too many wrong passwords. Try again later.',
                min(response.retry_after, _LONGEST_WAIT),
                locked=True,
            )
        case http.HTTPStatus.FORBIDDEN if response.retry_after:
            raise LoginFailed('Authentication failed.', response.retry_after)
        case http.HTTPStatus.BAD_REQUEST:
            # The client sent a name that no console can have.
            raise LoginFailed('Authentication failed.', 1)
        case http.HTTPStatus.NOT_FOUND:
            # The password is right, but the API does not find the console at
            # the hypervisor; or it does not have this route.
            LOG.warning('A native client cannot log in: %s', response.message)
            raise Refused('The console is not available.')
    return opened(response)


def mode_of(value: Any) -> str:
    """The mode of a session, if it is one.

    :raises console_svc.proxy.errors.ApiUnavailable: it is not
    """
    if value not in (CONTROL, VIEW):
        raise ApiUnavailable('"mode" in its response is unknown')
    return str(value)


def deadline_of(session: Any, response: Response) -> float | None:
    """When a session must end, on the clock of this process.

    The seconds left are counted from the request, not from the response, so
    that a slow API does not extend a session.
    """
    if 'expires_in' in session:
        left = _seconds(session, 'expires_in')
    else:
        # An older API.
        left = _seconds(session, 'expires')
        if left is not None:
            left -= response.api_time
    return None if left is None else response.sent_at + left


def _seconds(session: Any, name: str) -> float | None:
    value: int | None = member(session, name, int, NoneType)
    if value is not None and abs(value) > MAX_TIME:
        raise ApiUnavailable(f'"{name}" in its response is too large')
    return value


def _port(session: Any, name: str, *types: type) -> Any:
    value = member(session, name, *types)
    if value is not None and not 0 < value <= _MAX_PORT:
        raise ApiUnavailable(f'"{name}" in its response is not a port')
    return value
