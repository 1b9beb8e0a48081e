# SPDX-License-Identifier: Apache-2.0

"""The answers of the API, validated: the proxy uses nothing else of them.

An answer without a member that it must have, or with one of another type,
raises :class:`console_svc.proxy.errors.ApiUnavailable`.
"""

import dataclasses
import http
import logging
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, Final

from console_svc.proxy.errors import (
    ApiUnavailable,
    Conflict,
    LoginFailed,
    Refused,
)

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

# The API's message of the only 403 that is about the token, and not about the
# credential of the proxy.
WRONG_ADDRESS: Final = 'Token was issued to another address'

# Seconds: the API's largest time.
_MAX_TIME: Final = 2**40

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
    :param api_time: the API's clock, in seconds since the epoch
    :param retry_after: seconds in its Retry-After header, or 0
    :param repeated: whether the request was sent more than once, because an
        answer was lost
    """

    status: int
    document: Any
    sent_at: float
    api_time: float
    retry_after: int = 0
    repeated: bool = False

    @property
    def message(self) -> str:
        """The message of a fault."""
        try:
            (fault,) = self.document.values()
            return str(fault['message'])
        except (AttributeError, LookupError, TypeError, ValueError):
            return 'no reason is given'

    @property
    def unexpected(self) -> ApiUnavailable:
        """The error for a status that the request should not have."""
        return ApiUnavailable(f'HTTP {self.status}: {self.message}')


@dataclasses.dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session as the API has opened it, and where its console is.

    :param deadline: monotonic time at which it must end; None: never
    :param previous_id: the session that it resumes; None: none
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


@dataclasses.dataclass(frozen=True, slots=True)
class KeptProcess:
    """The sessions of this process, as the API knows them.

    :param kept: of those that the request has named: id -> monotonic time at
        which the session must end; None: never
    :param ended: ids of sessions that have ended and are not closed
    :param count: the number of sessions that continue
    """

    kept: Mapping[str, float | None]
    ended: Sequence[str]
    count: int


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
        raise (Conflict if is_conflict else Refused)(f'{message}.')
    if status != http.HTTPStatus.CREATED:
        raise response.unexpected
    session = _member(response.document, 'session', dict)
    port = _port(session, 'port', int)
    return OpenedSession(
        id=_member(session, 'id', str),
        server_id=_member(session, 'instance_uuid', str),
        console_type=_member(session, 'console_type', str),
        host=_member(session, 'host', str),
        port=port,
        internal_access_path=_member(
            session, 'internal_access_path', str, NoneType
        ),
        deadline=_deadline(session, response),
        # An older API does not have it.
        previous_id=_member(
            {'previous_id': None, **session}, 'previous_id', str, NoneType
        ),
        tls_port=_port(session, 'tls_port', int, NoneType),
        **{it: session.get(it) for it in _OWNER},
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


def kept(response: Response) -> Mapping[str, float | None]:
    """The sessions in the answer to a keep-alive request.

    :returns: id -> monotonic time at which the session must end; None: never
    :raises console_svc.proxy.errors.ApiUnavailable: the answer is unexpected
    """
    if response.status != http.HTTPStatus.OK:
        raise response.unexpected
    return {
        _member(session, 'id', str): _deadline(session, response)
        for session in _member(response.document, 'console_sessions', list)
    }


def kept_process(response: Response) -> KeptProcess:
    """The answer to the keep-alive request of a process.

    :raises console_svc.proxy.errors.ApiUnavailable: the answer is unexpected
    """
    sessions = kept(response)
    process = _member(response.document, 'console_proxy', dict)
    ended = _member(process, 'ended_session_ids', list)
    if not all(isinstance(it, str) for it in ended):
        raise ApiUnavailable(
            '"ended_session_ids" in its response has the wrong type'
        )
    return KeptProcess(sessions, ended, _member(process, 'session_count', int))


def _deadline(session: Any, response: Response) -> float | None:
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
    value: int | None = _member(session, name, int, NoneType)
    if value is not None and abs(value) > _MAX_TIME:
        raise ApiUnavailable(f'"{name}" in its response is too large')
    return value


def _port(session: Any, name: str, *types: type) -> Any:
    value = _member(session, name, *types)
    if value is not None and not 0 < value <= _MAX_PORT:
        raise ApiUnavailable(f'"{name}" in its response is not a port')
    return value


def _member(parent: Any, name: str, *types: type) -> Any:
    """A member of a JSON object, of one of some types."""
    if not isinstance(parent, dict) or name not in parent:
        raise ApiUnavailable(f'"{name}" is missing in its response')
    value = parent[name]
    # Not isinstance(): true is not a number.
    if type(value) not in types:
        raise ApiUnavailable(f'"{name}" in its response has the wrong type')
    return value
