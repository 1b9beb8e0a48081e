# SPDX-License-Identifier: Apache-2.0

"""Why a session is over, or never came to be."""

from websockets.frames import CloseCode


class Ended(Exception):
    """It is over.

    :param code: what a websocket is closed with (RFC 6455, section 7.4.1,
        and IANA's registry)
    :param reason: for the user, in at most 123 bytes
    """

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Refused(Ended):
    """The session is not to be: the token is not good, or not here."""

    def __init__(self, reason: str) -> None:
        super().__init__(CloseCode.POLICY_VIOLATION, reason)


class TryAgainLater(Ended):
    """There is no session just now."""

    def __init__(self, reason: str) -> None:
        super().__init__(CloseCode.TRY_AGAIN_LATER, reason)


class Unreachable(Ended):
    """The hypervisor does not do its part."""

    def __init__(self, reason: str) -> None:
        super().__init__(CloseCode.BAD_GATEWAY, reason)
