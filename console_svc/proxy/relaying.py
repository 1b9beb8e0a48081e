# SPDX-License-Identifier: Apache-2.0

"""The interfaces of a relay, which hands bytes from one end to the other.

It has no tasks: an end calls its receiver for what it has received, and the
receiver tells the other end when to read no more.
"""

from typing import Final, Protocol


class Receiver(Protocol):
    """Takes what an end receives."""

    def received(self, data: bytes) -> None:
        """Take bytes, also while the end should not read."""

    def closed(self, error: Exception | None) -> None:
        """The end receives no more.

        :param error: why; None: the peer has closed the connection
        """

    def pause(self) -> None:
        """The end should be sent nothing now: its buffer is full."""

    def resume(self) -> None:
        """The end takes data again."""


class End(Protocol):
    """A connection to a client or to a console, during a relay."""

    def relay_to(self, receiver: Receiver) -> None:
        """Hand over what was received already, and all that follows."""

    def discard(self) -> None:
        """Discard what is received from now on."""

    def send(self, data: bytes) -> None:
        """Send bytes without waiting; nothing if the connection is lost."""

    def pause_reading(self) -> None:
        """Read no more, so that the peer must wait."""

    def resume_reading(self) -> None:
        """Read again."""


class Server(End, Protocol):
    """A connection to a console."""

    async def finish(self) -> None:
        """Send what was written, and wait for the peer to close."""


class Through:
    """A server behind a connection, whose bytes are not handed over as such.

    It takes what the connection receives: :meth:`received` is missing.
    """

    def __init__(self, connection: Server) -> None:
        self._connection = connection
        self._receiver: Receiver = DISCARDED

    def received(self, data: bytes) -> None:
        """Hand over what these bytes mean."""
        raise NotImplementedError

    def closed(self, error: Exception | None) -> None:
        self._receiver.closed(error)

    def pause(self) -> None:
        self._receiver.pause()

    def resume(self) -> None:
        self._receiver.resume()

    def relay_to(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._connection.relay_to(self)

    def discard(self) -> None:
        self._receiver = DISCARDED
        self._connection.discard()

    def send(self, data: bytes) -> None:
        self._connection.send(data)

    def pause_reading(self) -> None:
        self._connection.pause_reading()

    def resume_reading(self) -> None:
        self._connection.resume_reading()

    async def finish(self) -> None:
        await self._connection.finish()


class _Discarded:
    """Takes what nothing uses."""

    def received(self, data: bytes) -> None:
        pass

    def closed(self, error: Exception | None) -> None:
        pass

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass


DISCARDED: Final[Receiver] = _Discarded()
