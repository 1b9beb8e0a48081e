# SPDX-License-Identifier: Apache-2.0

"""A session: a client connected to a console, and the relay between them."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from console_svc.proxy.api_answers import VIEW, OpenedSession
from console_svc.proxy.errors import Ended, Refused
from console_svc.proxy.keep_alive_answers import Others
from console_svc.proxy.recording import Recording
from console_svc.proxy.relaying import End, Server


class Input(Protocol):
    """What a client sends, before the console gets it."""

    def passed(self, data: bytes) -> bytes:
        """What the console gets of the client's next bytes.

        :raises console_svc.proxy.errors.Ended: the client violates the
            protocol
        """

    def change(self, is_view: bool) -> bytes:
        """Begin to drop input, or end it.

        :returns: what the console must get now: the release of keys
        :raises console_svc.proxy.errors.Ended: input cannot be dropped
        """

    def take_seen(self) -> bool:
        """Whether input has come since the last call."""


class Session:
    """A client connected to a console.

    :param opened: the session as the API has opened it
    """

    __slots__ = (
        '_counted',
        '_server',
        'active_at',
        'activity_id',
        'deadline',
        'ended',
        'further_received',
        'further_sent',
        'input',
        'mode',
        'mode_changed',
        'opened',
        'others_changed',
        'received',
        'recording',
        'sent',
    )

    def __init__(self, opened: OpenedSession) -> None:
        self.opened = opened
        #: Monotonic time at which it must end; None: never.
        self.deadline = opened.deadline
        #: Bytes from the client, and to it.
        self.received = self.sent = 0
        #: Those of further connections that are closed.
        self.further_received = self.further_sent = 0
        #: Has an exception, the reason, once the session must end; or whether
        #: it was the client that has closed the connection.
        self.ended: asyncio.Future[bool] = (
            asyncio.get_running_loop().create_future()
        )
        #: Monotonic time at which input was last seen.
        self.active_at = time.monotonic()
        #: A UUID of what is idle as a whole: the session, or a page.
        self.activity_id = opened.id
        #: What the client may do; before the relay, nothing depends on it.
        self.mode = opened.mode
        #: Called with the new mode.
        self.mode_changed: Callable[[str], None] = _ignore
        #: Called with the other sessions on the console; None: no page shows
        #: them.
        self.others_changed: Callable[[Others], None] | None = None
        #: Filters what the client sends; None: it is relayed unparsed.
        self.input: Input | None = None
        self._counted = (0, 0)
        #: None: it is not recorded.
        self.recording: Recording | None = None
        # Where the relay writes what the client sends.
        self._server: Server | None = None

    def end(self, ending: Ended) -> None:
        """End the session, unless it is ending already."""
        if not self.ended.done():
            self._fail(ending)

    @property
    def reason(self) -> str:
        """Why it has ended."""
        ending = None
        if self.ended.done() and not self.ended.cancelled():
            ending = self.ended.exception()
        return str(ending or 'The connection was closed.')

    def newly_moved(self, now: float) -> tuple[int, int]:
        """Bytes from the client and to it since the last call.

        :param now: monotonic time
        """
        before, self._counted = self._counted, (self.received, self.sent)
        moved = (self.received - before[0], self.sent - before[1])
        # Without a filter, the proxy does not know what is input.
        if self.input.take_seen() if self.input else moved[0]:
            self.active_at = now
        return moved

    def set_mode(self, mode: str) -> None:
        """Obey another mode, while the client stays connected.

        Keys that the client has pressed are released, if it must only view
        from now on.
        """
        if mode == self.mode:
            return
        self.mode = mode
        is_view = mode == VIEW
        try:
            if self.input is not None:
                release = self.input.change(is_view)
                if release and self._server is not None:
                    self._server.send(release)
            elif is_view and self._server is not None:
                raise Refused(
                    'The session must not control the console any more.'
                )
        except Ended as ending:
            self.end(ending)
        else:
            self.mode_changed(mode)

    async def relay(self, client: End, server: Server) -> None:
        """Relay bytes in both directions until either end closes.

        What the client has sent before it closed reaches the server.

        :raises console_svc.proxy.errors.Ended: the session was ended
        :raises Exception: what relaying has raised, unless an end closed the
            connection
        """
        if self.recording is not None:
            server = self.recording.of(server)
        self._server = server
        try:
            server.relay_to(_ToClient(self, client))
            client.relay_to(_ToServer(self, server))
            client_closed = await self.ended
        finally:
            client.discard()
            server.discard()
        if client_closed:
            await server.finish()

    def closed(self, error: Exception | None, by_client: bool) -> None:
        """End the session, because an end has closed the connection.

        :param error: why, if it is more than that
        """
        if self.ended.done():
            return
        # OSError: the connection was reset.
        if error is None or isinstance(error, OSError):
            self.ended.set_result(by_client)
        else:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.ended.set_exception(error)
        # Mark it as retrieved: asyncio logs those that nobody awaits.
        self.ended.exception()


def _ignore(_: str) -> None:
    """Nothing depends on the mode."""


class _Direction:
    """Hands the bytes of one end of a session to the other.

    :param other: the other end
    """

    __slots__ = ('_other', '_session')

    def __init__(self, session: Session, other: End) -> None:
        self._session = session
        self._other = other

    def pause(self) -> None:
        self._other.pause_reading()

    def resume(self) -> None:
        self._other.resume_reading()


class _ToServer(_Direction):
    """Takes what the client sends."""

    __slots__ = ()

    def received(self, data: bytes) -> None:
        session = self._session
        session.received += len(data)
        if session.input is not None:
            data = session.input.passed(data)
            if not data:
                return
        self._other.send(data)

    def closed(self, error: Exception | None) -> None:
        self._session.closed(error, by_client=True)


class _ToClient(_Direction):
    """Takes what the server sends."""

    __slots__ = ()

    def received(self, data: bytes) -> None:
        self._session.sent += len(data)
        self._other.send(data)

    def closed(self, error: Exception | None) -> None:
        self._session.closed(error, by_client=False)
