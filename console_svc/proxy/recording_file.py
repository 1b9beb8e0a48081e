# SPDX-License-Identifier: Apache-2.0

"""The playable file of a recording, made while it is sent."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from concurrent import futures

from console_svc.proxy.http.messages import PIECE, Incomplete
from console_svc.proxy.recording import in_thread
from console_svc.recordings import formats
from console_svc.recordings.keys import Keys
from console_svc.recordings.storage import Storage

LOG = logging.getLogger(__name__)


class RecordingFile:
    """The body of a response.

    It has at most one part in memory, which is as large as a piece of the
    recording.

    :param parts: of the file
    :param opened: closes the recording
    :param threads: wait for the storage
    :param closed: called when the file is closed
    """

    def __init__(
        self,
        media_type: str,
        parts: Iterator[bytes],
        opened: contextlib.ExitStack,
        threads: futures.Executor,
        closed: Callable[[], None],
    ) -> None:
        self.media_type = media_type
        self.length: int | None = None
        self._parts = parts
        self._opened = opened
        self._threads = threads
        self._closed = closed
        self._part = memoryview(b'')
        # Whether a thread reads, perhaps still after a time-out.
        self._is_reading = False

    async def read(self) -> bytes:
        if not self._part:
            self._is_reading = True
            try:
                part = await in_thread(
                    self._threads, self._next, lambda _: self.release()
                )
            except (OSError, ValueError) as error:
                LOG.error(
                    'The rest of a recording cannot be read, so its player '
                    'gets no more of it: %s',
                    str(error) or 'the storage timed out',
                )
                raise Incomplete from None
            self._is_reading = False
            self._part = memoryview(part)
        data, self._part = self._part[:PIECE], self._part[PIECE:]
        return bytes(data)

    def close(self) -> None:
        self._closed()
        if not self._is_reading:
            # In a thread: the storage may block.
            self._threads.submit(self.release)

    def release(self) -> None:
        """Close the recording; it blocks."""
        self._opened.close()

    def _next(self) -> bytes:
        """The next part that is not empty; b'' at the end."""
        return next(filter(None, self._parts), b'')


async def open_file(
    storage: Storage,
    keys: Keys,
    recording_id: str,
    threads: futures.Executor,
    closed: Callable[[], None],
) -> RecordingFile:
    """Open a recording in a thread.

    :param closed: called when the file is closed
    :raises FileNotFoundError: it is not in the storage
    :raises OSError: it cannot be read, or the storage timed out
    :raises ValueError: its beginning is damaged, or its key is missing
    """

    def opening() -> RecordingFile:
        with contextlib.ExitStack() as stack:
            source = stack.enter_context(storage.open(recording_id))
            key = keys.of(recording_id, source)
            return RecordingFile(
                formats.of(source, key).media_type,
                formats.parts(source, key),
                stack.pop_all(),
                threads,
                closed,
            )

    return await in_thread(threads, opening, _abandon)


def _abandon(opening: 'futures.Future[RecordingFile]') -> None:
    """Close a file that nothing reads."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().release()
