# SPDX-License-Identifier: Apache-2.0

"""Domain errors. Each knows the HTTP status that it means.

The message is shown to the caller: it must never hold a console token, a
password or another project's data.
"""

import http
from collections.abc import Mapping


class ConsoleSvcError(Exception):
    """Anything that a caller is told about.

    :param fields: values for the placeholders of ``message``
    """

    status = http.HTTPStatus.INTERNAL_SERVER_ERROR
    message = 'The request could not be served.'

    def __init__(self, **fields: object) -> None:
        super().__init__(self.message.format(**fields))

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the answer that this error becomes."""
        return {}

    @property
    def details(self) -> Mapping[str, str]:
        """Fields that stand beside code and message in the fault."""
        return {}


class BadRequest(ConsoleSvcError):
    """The request is not what the API describes."""

    status = http.HTTPStatus.BAD_REQUEST
    message = '{reason}'


class MalformedBody(BadRequest):
    """The body is not the JSON that was announced."""

    message = 'Malformed request body'


class InvalidVersion(BadRequest):
    """A microversion that is no version at all."""

    message = (
        'API Version String {version} is of invalid format. '
        'Must be of format MajorNum.MinorNum.'
    )


class InvalidConsoleType(BadRequest):
    """Protocol and type that don't belong together."""

    message = 'Invalid console type {console_type}'


class ConsoleTypeUnavailable(BadRequest):
    """The server has no console of this type."""

    message = 'Unavailable console type {console_type}.'


class NotAuthenticated(ConsoleSvcError):
    """No token, or one that cannot be read (noauth2)."""

    status = http.HTTPStatus.UNAUTHORIZED
    message = 'The request you have made requires authentication.'

    @property
    def headers(self) -> Mapping[str, str]:
        return {'WWW-Authenticate': 'noauth2 realm="console-svc"'}


class ConsoleTypeNotAccessible(ConsoleSvcError):
    """Before microversion 2.31 a look-up answers for rdp-html5 alone."""

    status = http.HTTPStatus.UNAUTHORIZED
    message = 'The requested console type details are not accessible'


class Forbidden(ConsoleSvcError):
    """Policy says no."""

    status = http.HTTPStatus.FORBIDDEN
    message = "Policy doesn't allow {rule} to be performed."


class NotFound(ConsoleSvcError):
    """No such resource."""

    status = http.HTTPStatus.NOT_FOUND
    message = 'The resource could not be found.'


class ServerNotFound(NotFound):
    """No such server, or none that the caller may know of."""

    message = 'Instance {server_id} could not be found.'


class ConsoleNotFound(NotFound):
    """The server has no such native console."""

    message = 'Console for instance {server_id} could not be found.'


class TokenNotFound(NotFound):
    """A console token that was never issued, or is no longer valid."""

    message = 'Token not found'


class MethodNotAllowed(ConsoleSvcError):
    """The resource exists, but has no such method."""

    status = http.HTTPStatus.METHOD_NOT_ALLOWED
    message = 'The method {method} is not allowed for this resource.'

    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(method=method)
        self._allowed = allowed

    @property
    def headers(self) -> Mapping[str, str]:
        return {'Allow': self._allowed}


class SessionNotFound(NotFound):
    """No such session, or it has ended."""

    message = 'Session {session_id} could not be found.'


class TokenUsedUp(ConsoleSvcError):
    """The token has opened as many sessions as it can."""

    status = http.HTTPStatus.CONFLICT
    message = 'Token is used up'


class ConsoleUsedUp(TokenUsedUp):
    """Likewise, of a console on the gateway."""

    message = 'Console is used up'


class TooManySessions(ConsoleSvcError):
    """The server has as many sessions as it can."""

    status = http.HTTPStatus.CONFLICT
    message = 'Instance {server_id} has too many console sessions'


class WrongAddress(ConsoleSvcError):
    """The token was issued to somebody elsewhere."""

    status = http.HTTPStatus.FORBIDDEN
    message = 'Token was issued to another address'


class AuthenticationFailed(ConsoleSvcError):
    """A wrong password, or nothing that there is a password for.

    :param delay: seconds that the client is to wait
    """

    status = http.HTTPStatus.FORBIDDEN
    message = 'Authentication failed'

    def __init__(self, delay: int) -> None:
        super().__init__()
        self._delay = delay

    @property
    def headers(self) -> Mapping[str, str]:
        return {'Retry-After': str(self._delay)}


class ConsoleLocked(AuthenticationFailed):
    """No password is looked at, for a while."""

    status = http.HTTPStatus.TOO_MANY_REQUESTS
    message = 'Console is locked after too many failures'


class UnsupportedVersion(ConsoleSvcError):
    """A microversion outside of the range."""

    status = http.HTTPStatus.NOT_ACCEPTABLE
    message = (
        'Version {version} is not supported by the API. '
        'Minimum is {minimum} and maximum is {maximum}.'
    )

    def __init__(self, version: str, minimum: str, maximum: str) -> None:
        super().__init__(version=version, minimum=minimum, maximum=maximum)
        self.version = version
        self._range = {'min_version': minimum, 'max_version': maximum}

    @property
    def details(self) -> Mapping[str, str]:
        return self._range


class ServerNotReady(ConsoleSvcError):
    """The server is in no state in which it has consoles."""

    status = http.HTTPStatus.CONFLICT
    message = 'Instance {server_id} is not ready'


class NativeConsoleUnavailable(ConsoleSvcError):
    """The server has no console that a native client could open."""

    status = http.HTTPStatus.CONFLICT
    message = 'Instance {server_id} has no native console'


class NativeConsoleUnprotected(ConsoleSvcError):
    """The server's VNC server lets people in without a password."""

    status = http.HTTPStatus.CONFLICT
    message = (
        'The console of instance {server_id} cannot be protected by a password'
    )


class UnsupportedMediaType(ConsoleSvcError):
    """A body that says it is something else than JSON."""

    status = http.HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    message = 'Unsupported Content-Type'


class Refused(ConsoleSvcError):
    """A service that is asked for the caller refuses, and says why.

    :param status: its own
    :param reason: in words that it would have shown to the caller
    """

    message = '{reason}'

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason=reason)
        self.status = http.HTTPStatus(status)


class PasswordUnreadable(ConsoleSvcError):
    """None of the keys decrypts a stored password."""

    message = (
        'The password of this console cannot be read. Delete the console '
        'and create it again.'
    )


class ServiceUnavailable(ConsoleSvcError):
    """Something that the service needs is away for now.

    :param reason: what is away, in words that a caller may read
    """

    status = http.HTTPStatus.SERVICE_UNAVAILABLE
    message = '{reason}'

    def __init__(self, reason: str) -> None:
        super().__init__(reason=reason)
