# SPDX-License-Identifier: Apache-2.0

"""The recording of a session: what its console sends, and when."""

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import Callable
from concurrent import futures
from typing import Final, TypeVar

from oslo_config import cfg

from console_svc.protocols import rfb
from console_svc.proxy.relaying import Server, Through
from console_svc.recordings import fbs
from console_svc.recordings.storage import Sink
from console_svc.recordings.writer import FULL, Writer

LOG = logging.getLogger(__name__)

T = TypeVar('T')

# Seconds in which the storage must do what it is asked for.
_TIMEOUT: Final = 30


class Recording:
    """The recording of a session.

    :param threads: wait for the storage
    :param began: monotonic time of its start
    """

    def __init__(
        self,
        options: cfg.ConfigOpts.GroupAttr,
        writer: Writer,
        sink: Sink,
        threads: futures.Executor,
        began: float,
    ) -> None:
        self._piece_seconds: float = options.piece_seconds
        self._records_input: bool = options.record_input
        self._writer: Writer | None = writer
        #: The choices of a VNC client; None: of other consoles.
        self.choices: rfb.Recorded | None = None
        if isinstance(writer, fbs.Writer):
            self.choices = rfb.Recorded(self._choose)
        self._sink = sink
        self._threads = threads
        self._began = began
        # There are events to write; they must be written at once.
        self._dirty, self._full = asyncio.Event(), asyncio.Event()
        #: Whether more can be recorded.
        self.has_room = True
        #: Called when more can be recorded again.
        self.room_made: Callable[[], None] = _ignore
        self._reason: str | None = None
        self._task: asyncio.Task[None] | None = None

    def run(self, failed: Callable[[Exception], None]) -> None:
        """Begin to write.

        :param failed: called once, when the recording cannot be written
        """
        self._task = asyncio.create_task(self._run(failed))

    def of(self, server: Server) -> Server:
        """A connection to a console that is recorded."""
        return _RecordedServer(server, self)

    def output(self, data: bytes) -> None:
        """Record what the console has sent."""
        if self.choices is not None:
            self.choices.server_sent(data)
        if self._writer is not None:
            self._writer.output(self._now(), data)
            self._added(self._writer)

    def input(self, data: bytes) -> None:
        """Record what the client has sent, if input is recorded."""
        if self._writer is not None and self._records_input:
            self._writer.input(self._now(), data)
            self._added(self._writer)

    def _choose(self, pixel_format: bytes) -> None:
        """Record the pixel format of a VNC console."""
        if isinstance(self._writer, fbs.Writer):
            self._writer.pixel_format(self._now(), pixel_format)
            self._added(self._writer)

    async def close(self, reason: str) -> None:
        """Write the rest, and the end.

        :param reason: why the session has ended
        """
        self._reason = reason
        self._full.set()
        self._dirty.set()
        if self._task is not None:
            await self._task

    def _now(self) -> int:
        return int((time.monotonic() - self._began) * 1_000_000)

    def _added(self, writer: Writer) -> None:
        self._dirty.set()
        if writer.size >= FULL:
            self._full.set()
            self.has_room = False

    def _make_room(self) -> None:
        if not self.has_room:
            self.has_room = True
            self.room_made()

    async def _run(self, failed: Callable[[Exception], None]) -> None:
        try:
            await self._write()
        except Exception as error:
            if not isinstance(error, OSError):
                LOG.exception('A recording failed unexpectedly')
            failed(error)
        finally:
            self._writer = None
            self._make_room()

    async def _write(self) -> None:
        """Write pieces until the recording is closed.

        :raises OSError: a piece cannot be written
        """
        while self._writer is not None:
            await self._dirty.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._piece_seconds):
                    await self._full.wait()
            self._dirty.clear()
            self._full.clear()
            writer, reason = self._writer, self._reason
            if reason is None:
                seal = functools.partial(writer.seal, writer.take())
            else:
                seal = functools.partial(writer.end, self._now(), reason)
                self._writer = None
            self._make_room()
            await in_thread(
                self._threads,
                functools.partial(_append, self._sink, seal, reason),
                lambda _: self._sink.close(),
            )


class _RecordedServer(Through):
    """A connection to a console, whose traffic is recorded.

    While there is no room in the recording, neither end is read.
    """

    def __init__(self, server: Server, recording: Recording) -> None:
        super().__init__(server)
        self._recording = recording
        recording.room_made = self._resume
        # Whether the relay has paused it; whether its send buffer is full.
        self._is_paused = self._is_full = False

    def received(self, data: bytes) -> None:
        self._recording.output(data)
        self._receiver.received(data)
        self._pause()

    def send(self, data: bytes) -> None:
        self._recording.input(data)
        self._connection.send(data)
        self._pause()

    def pause_reading(self) -> None:
        self._is_paused = True
        self._connection.pause_reading()

    def resume_reading(self) -> None:
        self._is_paused = False
        if self._recording.has_room:
            self._connection.resume_reading()

    def pause(self) -> None:
        self._is_full = True
        self._receiver.pause()

    def resume(self) -> None:
        self._is_full = False
        if self._recording.has_room:
            self._receiver.resume()

    def discard(self) -> None:
        self._recording.room_made = _ignore
        super().discard()

    def _pause(self) -> None:
        if not self._recording.has_room:
            self._connection.pause_reading()
            self._receiver.pause()

    def _resume(self) -> None:
        if not self._is_paused:
            self._connection.resume_reading()
        if not self._is_full:
            self._receiver.resume()


def _ignore() -> None:
    """Nothing waits for room."""


def _append(sink: Sink, seal: Callable[[], bytes], reason: str | None) -> None:
    """Make and append pieces; with the reason of the end, also finish."""
    sink.append(seal())
    if reason is not None:
        sink.finish()


async def in_thread(
    threads: futures.Executor,
    call: Callable[[], T],
    abandoned: 'Callable[[futures.Future[T]], None]',
) -> T:
    """Run something that waits for the storage.

    :param abandoned: called after an error, once the thread is done: it may
        still be busy with what took too long
    :raises OSError: the call raises it, or takes too long
    """
    future = threads.submit(call)
    try:
        async with asyncio.timeout(_TIMEOUT):
            return await asyncio.wrap_future(future)
    except BaseException:
        future.add_done_callback(abandoned)
        raise
