# SPDX-License-Identifier: Apache-2.0

"""The errors of the service. Each has the HTTP status of its response.

The message is shown to the caller: it must never contain a console token, a
password or another project's data. The first paragraph of each docstring
describes the error in the OpenAPI document.
"""

import http
from collections.abc import Mapping, Sequence
from typing import Any

from console_svc.objects import ConsoleSession


class ConsoleSvcError(Exception):
    """The request failed unexpectedly.

    :param fields: values for the placeholders of ``message``
    """

    status = http.HTTPStatus.INTERNAL_SERVER_ERROR
    message = 'The request could not be served.'
    #: Headers of the response.
    headers: Mapping[str, str] = {}
    #: Fields of the fault besides code and message.
    details: Mapping[str, Any] = {}

    def __init__(self, **fields: object) -> None:
        super().__init__(self.message.format(**fields))


class BadRequest(ConsoleSvcError):
    """The request does not match the API description."""

    status = http.HTTPStatus.BAD_REQUEST
    message = '{reason}'


class MalformedBody(BadRequest):
    """The request body is not valid JSON."""

    message = 'Malformed request body'


class InvalidVersion(BadRequest):
    """The microversion is not of the form MAJOR.MINOR."""

    message = (
        'API Version String {version} is of invalid format. '
        'Must be of format MajorNum.MinorNum.'
    )


class InvalidConsoleType(BadRequest):
    """The console type does not belong to the protocol."""

    message = 'Invalid console type {console_type}'


class ConsoleTypeUnavailable(BadRequest):
    """The server has no console of this type."""

    message = 'Unavailable console type {console_type}.'


class MarkerNotFound(BadRequest):
    """The marker is not the id of a server or session of the list."""

    message = 'marker [{marker}] not found'


class NotAuthenticated(ConsoleSvcError):
    """The request has no valid authentication token."""

    status = http.HTTPStatus.UNAUTHORIZED
    message = 'The request you have made requires authentication.'
    headers: Mapping[str, str] = {
        'WWW-Authenticate': 'noauth2 realm="console-svc"'
    }


class ConsoleTypeNotAccessible(ConsoleSvcError):
    """Before microversion 2.31, only rdp-html5 tokens can be looked up."""

    status = http.HTTPStatus.UNAUTHORIZED
    message = 'The requested console type details are not accessible'


class Forbidden(ConsoleSvcError):
    """Policy does not allow the caller to do this."""

    status = http.HTTPStatus.FORBIDDEN
    message = "Policy doesn't allow {rule} to be performed."


class AdministratorsOnly(Forbidden):
    """Only administrators may sort by this key, or list deleted servers."""

    message = 'Only administrators {may}'


class NotFound(ConsoleSvcError):
    """The resource does not exist."""

    status = http.HTTPStatus.NOT_FOUND
    message = 'The resource could not be found.'


class ServerNotFound(NotFound):
    """The server does not exist, or the caller cannot see it."""

    message = 'Instance {server_id} could not be found.'


class ConsoleNotFound(NotFound):
    """The server has no such native console."""

    message = 'Console for instance {server_id} could not be found.'


class TokenNotFound(NotFound):
    """The console token was never issued, has expired or was revoked."""

    message = 'Token not found'


class SessionNotFound(NotFound):
    """The session does not exist, or has ended."""

    message = 'Session {session_id} could not be found.'


class RecordingNotFound(NotFound):
    """The server has no such recording."""

    message = 'Recording {recording_id} could not be found.'


class TokenUsedUp(ConsoleSvcError):
    """The console token has opened as many sessions as it may."""

    status = http.HTTPStatus.CONFLICT
    message = 'Token is used up'


class ConsoleUsedUp(TokenUsedUp):
    """The native console has opened as many sessions as it may."""

    message = 'Console is used up'


class TooManySessions(ConsoleSvcError):
    """The server has as many console sessions as it may.

    With the member ``takeover`` of the fault, the request may be repeated to
    take the console over. The member ``holders`` has the sessions that take
    all places, if the token's user may list them.

    :param holders: those sessions
    """

    status = http.HTTPStatus.CONFLICT
    message = 'Instance {server_id} has too many console sessions'

    def __init__(
        self, server_id: str, holders: Sequence[ConsoleSession] = ()
    ) -> None:
        super().__init__(server_id=server_id)
        self.holders = holders


class SessionIdUsed(ConsoleSvcError):
    """The session's id is that of a closed session, or of another token."""

    status = http.HTTPStatus.CONFLICT
    message = 'Session id was used before: {session_id}'


class WrongAddress(ConsoleSvcError):
    """The console token was issued to a client at another address."""

    status = http.HTTPStatus.FORBIDDEN
    message = 'Token was issued to another address'


class AuthenticationFailed(ConsoleSvcError):
    """The password is wrong, or the native console does not exist.

    The same answer refuses a challenge that was used before.

    :param delay: seconds that the client must wait
    """

    status = http.HTTPStatus.FORBIDDEN
    message = 'Authentication failed'

    def __init__(self, delay: int) -> None:
        super().__init__()
        self.headers = {'Retry-After': str(delay)}


class ConsoleLocked(AuthenticationFailed):
    """The native console accepts no password after too many failures."""

    status = http.HTTPStatus.TOO_MANY_REQUESTS
    message = 'Console is locked after too many failures'


class UnsupportedVersion(ConsoleSvcError):
    """The microversion is outside of the supported range."""

    status = http.HTTPStatus.NOT_ACCEPTABLE
    message = (
        'Version {version} is not supported by the API. '
        'Minimum is {minimum} and maximum is {maximum}.'
    )

    def __init__(self, version: str, minimum: str, maximum: str) -> None:
        super().__init__(version=version, minimum=minimum, maximum=maximum)
        self.version = version
        self.details = {'min_version': minimum, 'max_version': maximum}


class ServerNotReady(ConsoleSvcError):
    """The server has no consoles in its current state."""

    status = http.HTTPStatus.CONFLICT
    message = 'Instance {server_id} is not ready'


class NativeConsoleUnavailable(ConsoleSvcError):
    """The server has no console for native clients."""

    status = http.HTTPStatus.CONFLICT
    message = 'Instance {server_id} has no native console'


class NativeConsoleUnprotected(ConsoleSvcError):
    """The server's VNC server would accept clients without a password."""

    status = http.HTTPStatus.CONFLICT
    message = (
        'The console of instance {server_id} cannot be protected by a password'
    )


class UnsupportedMediaType(ConsoleSvcError):
    """The Content-Type of the request body is not JSON."""

    status = http.HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    message = 'Unsupported Content-Type'


class UpstreamRefused(ConsoleSvcError):
    """The service behind the driver refused the request.

    :param status: the status of its response
    :param reason: its message for the caller
    """

    message = '{reason}'

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason=reason)
        self.status = http.HTTPStatus(status)


class PasswordUnreadable(ConsoleSvcError):
    """No key of the key file decrypts the stored password."""

    message = (
        'The password of this console cannot be read. Delete the console '
        'and create it again.'
    )


class ServiceUnavailable(ConsoleSvcError):
    """A service that this one needs does not answer. Try again later.

    :param reason: the message, which names the service
    """

    status = http.HTTPStatus.SERVICE_UNAVAILABLE
    message = '{reason}'

    def __init__(self, reason: str) -> None:
        super().__init__(reason=reason)
