# SPDX-License-Identifier: Apache-2.0

"""RFB handshakes over streams, and those with clients of the proxy.

A browser has opened its session with a token, before its RFB handshake. A
native client has sent its log-in in the handshake, and waits for the result.
"""

import asyncio
import contextlib
from typing import Any, Final, TypeVar

from console_svc.protocols import rfb
from console_svc.proxy.errors import ClientFailed, Ended, PeerClosed
from console_svc.proxy.streams import Stream, TCPStream

# Seconds for a user to type a password.
_TYPING_TIMEOUT: Final = 120

_T = TypeVar('_T')


class Answers:
    """The steps of a handshake that need more than a stream."""

    async def respond(self, challenge: bytes) -> bytes:
        """The response to a challenge of VNC authentication.

        :raises console_svc.protocols.rfb.RFBError: the password is unknown
        """
        raise rfb.RFBError('there is no password')

    async def start_tls(self) -> None:
        """Switch the stream to TLS.

        :raises console_svc.protocols.rfb.RFBError: TLS is not configured
        """
        raise rfb.RFBError('there is no TLS')


async def perform(
    stream: Stream,
    handshake: rfb.Handshake[_T],
    timeout: float,
    answers: Answers | None = None,
) -> _T:
    """Carry out a handshake on a stream.

    :param timeout: seconds for each step; a typed password has more, and
        a response to a challenge has no limit here
    :returns: the handshake's result
    :raises console_svc.protocols.rfb.RFBError: the handshake fails
    :raises console_svc.proxy.errors.PeerClosed: the peer closed the connection
    :raises TimeoutError: a step took too long
    :raises OSError: the connection failed
    """
    answers = answers or Answers()
    # The first value sent to a generator must be None.
    outcome: Any = None
    # One for all steps: to make one takes as long as a step.
    async with asyncio.timeout(None) as limit:
        while True:
            try:
                step = handshake.send(outcome)
            except StopIteration as end:
                result: _T = end.value
                return result
            outcome = None
            limit.reschedule(_deadline(step, timeout))
            match step:
                case rfb.Read(number):
                    outcome = await stream.read_exactly(number)
                case rfb.Write(data):
                    await stream.write(data)
                case rfb.Respond(challenge):
                    outcome = await answers.respond(challenge)
                case rfb.StartTLS():
                    await answers.start_tls()


def _deadline(step: object, timeout: float) -> float | None:
    """When a step must be done, by the clock of the loop; None: no limit."""
    match step:
        case rfb.Respond():
            return None
        case rfb.Read(typed=True):
            timeout = _TYPING_TIMEOUT
    return asyncio.get_running_loop().time() + timeout


class Client:
    """The client of an RFB console, during its handshake.

    :param timeout: seconds for each step of the handshake
    :param minor: its minor version of RFB, if it has taken part in VNC
        authentication
    """

    def __init__(
        self, stream: Stream, timeout: float, minor: int | None = None
    ) -> None:
        self.stream = stream
        self._timeout = timeout
        self._minor = minor

    async def respond(self, challenge: bytes) -> bytes:
        """Ask for the response to the hypervisor's challenge.

        :raises console_svc.protocols.rfb.RFBError: the client cannot be asked
        :raises console_svc.proxy.errors.ClientFailed: it does not respond
        """
        raise NotImplementedError

    async def welcome(self) -> None:
        """Complete the handshake: the client may use the console.

        :raises console_svc.proxy.errors.ClientFailed: it does not take part
        """
        if self._minor is None:
            minor = await self._perform(rfb.offer(rfb.NONE))
            await self._perform(rfb.welcome(minor, rfb.NONE))
        else:
            await self._perform(rfb.welcome(self._minor, rfb.VNC))

    async def initialise(self, server: TCPStream, is_shared: bool) -> None:
        """Pass ClientInit on: what follows is for the relay.

        :param is_shared: whether the console is shared in any case
        :raises console_svc.proxy.errors.ClientFailed: the client does not send
            ClientInit
        """
        flag = await self._perform(rfb.shared_flag())
        # The relay notices that the connection is closed.
        with contextlib.suppress(OSError):
            await server.write(b'\1' if is_shared else flag)

    async def refuse(self, reason: str) -> None:
        """End the handshake with a reason that the client can show."""
        with contextlib.suppress(Ended):
            await self._perform(
                rfb.refuse(reason)
                if self._minor is None
                else rfb.reject(self._minor, reason)
            )

    async def _perform(self, handshake: rfb.Handshake[_T]) -> _T:
        try:
            return await perform(self.stream, handshake, self._timeout)
        except rfb.RFBError:
            raise ClientFailed(
                'This console requires an RFB client.'
            ) from None
        except TimeoutError:
            raise ClientFailed('The client timed out.') from None
        except (PeerClosed, OSError):
            raise ClientFailed('The client closed the connection.') from None


class Browser(Client):
    """A browser, whose user can be asked for the hypervisor's password."""

    async def respond(self, challenge: bytes) -> bytes:
        self._minor = await self._perform(rfb.offer(rfb.VNC))
        return await self._perform(rfb.ask(challenge))


class NativeClient(Client):
    """A native client, which has sent its response to the proxy's challenge.

    :param minor: its minor version of RFB
    """

    def __init__(self, stream: Stream, timeout: float, minor: int) -> None:
        super().__init__(stream, timeout, minor)

    async def respond(self, challenge: bytes) -> bytes:
        # It has answered one challenge already, and RFB has no second one.
        raise rfb.RFBError('it requires a password that the proxy lacks')
