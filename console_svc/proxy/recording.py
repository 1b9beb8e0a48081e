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

from console_svc.proxy.streams import Server
from console_svc.recordings import cast
from console_svc.recordings.storage import Sink

LOG = logging.getLogger(__name__)

T = TypeVar('T')

# Seconds in which the storage must do what it is asked for.
_TIMEOUT: Final = 30


class Recording:
    """The recording of a session.

    :param threads: wait for the storage
    """

    def __init__(
        self,
        options: cfg.ConfigOpts.GroupAttr,
        writer: cast.Writer,
        sink: Sink,
        threads: futures.Executor,
    ) -> None:
        self._piece_seconds: float = options.piece_seconds
        self._records_input: bool = options.record_input
        self._writer: cast.Writer | None = writer
        self._sink = sink
        self._threads = threads
        self._began = time.monotonic()
        # There are events to write; they must be written at once; there is
        # room for more.
        self._dirty, self._full, self._room = (
            asyncio.Event() for _ in range(3)
        )
        self._room.set()
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

    async def room(self) -> None:
        """Wait until more can be recorded."""
        await self._room.wait()

    def output(self, data: bytes) -> None:
        """Record what the console has sent."""
        if self._writer is not None:
            self._writer.output(self._now(), data)
            self._added(self._writer)

    def input(self, data: bytes) -> None:
        """Record what the client has sent, if input is recorded."""
        if self._writer is not None and self._records_input:
            self._writer.input(self._now(), data)
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

    def _added(self, writer: cast.Writer) -> None:
        self._dirty.set()
        if writer.size >= cast.FULL:
            self._full.set()
            self._room.clear()

    async def _run(self, failed: Callable[[Exception], None]) -> None:
        try:
            await self._write()
        except Exception as error:
            if not isinstance(error, OSError):
                LOG.exception('A recording failed unexpectedly')
            failed(error)
        finally:
            self._writer = None
            self._room.set()

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
            reason = self._reason
            if reason is None:
                pieces = self._writer.cut()
            else:
                pieces = self._writer.end(self._now(), reason)
                self._writer = None
            self._room.set()
            await in_thread(
                self._threads,
                functools.partial(_append, self._sink, pieces, reason),
                lambda _: self._sink.close(),
            )


class _RecordedServer:
    """A connection to a console, whose traffic is recorded."""

    def __init__(self, server: Server, recording: Recording) -> None:
        self._server = server
        self._recording = recording

    async def read(self) -> bytes:
        await self._recording.room()
        data = await self._server.read()
        self._recording.output(data)
        return data

    async def write(self, data: bytes) -> None:
        await self._recording.room()
        self._recording.input(data)
        await self._server.write(data)

    async def finish(self) -> None:
        await self._server.finish()


def _append(sink: Sink, pieces: bytes, reason: str | None) -> None:
    """Append pieces; with the reason of the end, also finish."""
    sink.append(pieces)
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
