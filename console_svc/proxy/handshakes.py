# SPDX-License-Identifier: Apache-2.0

"""Clients of consoles that speak RFB: what is left to say to them.

A browser has a token, and RFB's handshake before it; a native client has
logged in by that handshake, and waits for its end.
"""

import contextlib
from typing import TypeVar

from websockets.frames import CloseCode

from console_svc.protocols import rfb
from console_svc.proxy.errors import Ended
from console_svc.proxy.streams import HungUp, Stream, perform

_T = TypeVar('_T')


class Client:
    """A browser: nothing has been said yet.

    Every method but turn_away may raise
    :class:`console_svc.proxy.errors.Ended`: it does not do its part.

    :param timeout: seconds for each step
    """

    def __init__(self, stream: Stream, timeout: float) -> None:
        self.stream = stream
        self._timeout = timeout
        # Its version of RFB, once it was asked for a password.
        self._asked: int | None = None
        #: Whether it knows how its login went, and whether well.
        self.is_answered = self.is_in = False

    async def respond(self, challenge: bytes) -> bytes:
        """What a user's password makes of a hypervisor's challenge.

        :raises console_svc.protocols.rfb.RFBError: nobody can be asked for one
        """
        self._asked = await self.perform(rfb.offer(rfb.VNC))
        return await self.perform(rfb.ask(challenge))

    async def welcome(self) -> None:
        """Say that it is in."""
        self.is_answered = True
        if self._asked is None:
            minor = await self.perform(rfb.offer(rfb.NONE))
            await self.perform(rfb.welcome(minor, rfb.NONE))
        else:
            await self.perform(rfb.welcome(self._asked, rfb.VNC))
        self.is_in = True

    async def turn_away(self, reason: str) -> None:
        """Say that it is not, and why, if it listens."""
        self.is_answered = True
        with contextlib.suppress(Ended):
            await self.perform(
                rfb.refuse(reason)
                if self._asked is None
                else rfb.turn_away(self._asked, reason)
            )

    async def perform(self, handshake: rfb.Handshake[_T]) -> _T:
        """Go through a handshake with it."""
        try:
            return await perform(self.stream, handshake, self._timeout)
        except rfb.RFBError:
            raise Ended(
                CloseCode.PROTOCOL_ERROR, 'This console speaks RFB.'
            ) from None
        except (HungUp, OSError, TimeoutError):
            raise Ended(
                CloseCode.PROTOCOL_ERROR, 'The client has fallen silent.'
            ) from None


class NativeClient(Client):
    """A native client, which has logged in.

    :param minor: its version of RFB
    """

    def __init__(self, stream: Stream, timeout: float, minor: int) -> None:
        super().__init__(stream, timeout)
        self._asked = minor

    async def respond(self, challenge: bytes) -> bytes:
        raise rfb.RFBError('it wants a password of its own')
