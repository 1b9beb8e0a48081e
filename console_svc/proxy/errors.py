# SPDX-License-Identifier: Apache-2.0

"""Exceptions of the console proxy."""

import dataclasses
import time
from collections.abc import Sequence

from websockets.frames import CloseCode


class Ended(Exception):
    """The session has ended, or cannot be opened.

    :param code: close code of the websocket (RFC 6455, section 7.4.1, and
        IANA's registry)
    :param reason: close reason for the user, at most 123 bytes
    """

    #: The reason in the API's history of sessions.
    end_reason = 'error'

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Refused(Ended):
    """The session is refused, or is no longer allowed."""

    def __init__(self, reason: str) -> None:
        super().__init__(CloseCode.POLICY_VIOLATION, reason)


class Expired(Refused):
    """The session must not last any longer."""

    end_reason = 'expired'

    def __init__(self) -> None:
        super().__init__('The session has expired.')


class Idle(Refused):
    """The session was idle for too long."""

    end_reason = 'idle'

    def __init__(self) -> None:
        super().__init__('The session was idle for too long.')


@dataclasses.dataclass(frozen=True, slots=True)
class Holder:
    """A session of another user, for those who may list it.

    :param user_id: None: it is unknown
    :param since: seconds since the epoch
    :param mode: of the session
    """

    user_id: str | None
    client_address: str | None
    since: int
    mode: str


class Conflict(Refused):
    """The state of the server or of the token does not allow a session."""


class NoPlace(Conflict):
    """Others have all places of the server.

    :param can_take_over: whether the client can take the console over
    :param holders: the others, as far as the client may know them
    """

    def __init__(
        self, reason: str, can_take_over: bool, holders: Sequence[Holder]
    ) -> None:
        super().__init__(_used_by(holders) if holders else reason)
        self.can_take_over = can_take_over
        self.holders = holders


def _used_by(holders: Sequence[Holder]) -> str:
    """A reason that fits into a close frame, with a user id of 64 bytes."""
    first = holders[0]
    user = f'user {first.user_id}' if first.user_id else 'another user'
    since = time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime(first.since))
    reason = f'Used by {user} since {since}'
    match len(holders) - 1:
        case 0:
            return f'{reason}.'
        case 1:
            return f'{reason}, and by 1 other.'
        case others:
            return f'{reason}, and by {others} others.'


class InvalidToken(Refused):
    """The console token is not valid at the moment."""

    def __init__(self) -> None:
        super().__init__('The console token is invalid or has expired.')


class LoginFailed(Refused):
    """The log-in of a native client failed.

    :param wait: seconds to wait before the client gets the answer
    :param locked: whether the console accepts no password
    """

    def __init__(self, reason: str, wait: float, locked: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.locked = locked


class TryAgainLater(Ended):
    """The session cannot be opened at the moment."""

    def __init__(self, reason: str) -> None:
        super().__init__(CloseCode.TRY_AGAIN_LATER, reason)


class NotRecorded(TryAgainLater):
    """The session must be recorded, and its recording cannot be written."""

    def __init__(self) -> None:
        super().__init__(
            'Sessions must be recorded, and this one cannot be at the moment.'
        )


class GoingDown(Ended):
    """The proxy is stopped."""

    end_reason = 'drained'

    def __init__(self) -> None:
        super().__init__(
            CloseCode.GOING_AWAY, 'This console proxy is going down.'
        )


class Disconnected(Ended):
    """The first connection of the session was closed."""

    def __init__(self) -> None:
        super().__init__(
            CloseCode.NORMAL_CLOSURE, 'The main channel was closed.'
        )


class Unreachable(Ended):
    """The hypervisor is unreachable, or failed the handshake."""

    def __init__(self, reason: str) -> None:
        super().__init__(CloseCode.BAD_GATEWAY, reason)


class LinkRefused(Unreachable):
    """The hypervisor's SPICE server refuses a channel.

    :param link_code: SPICE's code
    """

    def __init__(self, reason: str, link_code: int) -> None:
        super().__init__(reason)
        self.link_code = link_code


class ChannelClosed(Ended):
    """The session does not have this channel of a native SPICE client."""

    def __init__(self) -> None:
        super().__init__(
            CloseCode.POLICY_VIOLATION, 'This channel requires control.'
        )


class ClientFailed(Ended):
    """The client failed the handshake."""

    def __init__(self, reason: str) -> None:
        super().__init__(CloseCode.PROTOCOL_ERROR, reason)


class ProxyFailed(Ended):
    """The proxy has a bug: an exception was raised that nothing expects."""

    def __init__(self) -> None:
        super().__init__(
            CloseCode.INTERNAL_ERROR, 'The console proxy failed unexpectedly.'
        )


class PeerClosed(Exception):
    """The peer closed the connection during a handshake."""

    def __init__(self) -> None:
        super().__init__('the peer closed the connection')


class ApiUnavailable(Exception):
    """The API does not answer, or answers with something unexpected."""
