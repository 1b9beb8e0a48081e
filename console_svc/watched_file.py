# SPDX-License-Identifier: Apache-2.0

"""A file that is read again when it changes."""

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

LOG = logging.getLogger(__name__)

T = TypeVar('T')

# A file written less than this long ago may change again without a new time
# stamp, as the kernel's clock for them is coarse: don't trust the stamp yet.
_SETTLED_NS = 100_000_000


class WatchedFile(Generic[T]):
    """The parsed content of a file, never older than the file.

    A change that cannot be read or parsed is logged once, and the last good
    content stays in use.

    :param path: the file
    :param parse: makes the content of the file's bytes; ValueError says why
        it can't
    """

    def __init__(self, path: str, parse: Callable[[bytes], T]) -> None:
        self._path = path
        self._parse = parse
        self._lock = threading.Lock()
        self._signature: tuple[int, ...] | None = None
        self._content: T | None = None
        self._error: str | None = None

    def get(self) -> T:
        """The content.

        :raises ValueError: the file has not been good once; says why
        """
        signature = self._stat()
        if signature is None or signature != self._signature:
            with self._lock:
                self._read()
        if self._content is None:
            raise ValueError(self._error)
        return self._content

    def _stat(self) -> tuple[int, ...] | None:
        """What tells one state of the file from another; None: don't know."""
        try:
            state = os.stat(self._path)
        except OSError:
            return None
        if time.time_ns() - state.st_mtime_ns < _SETTLED_NS:
            return None
        return (state.st_ino, state.st_size, state.st_mtime_ns)

    def _read(self) -> None:
        signature = self._stat()
        try:
            with open(self._path, 'rb') as file:
                self._content = self._parse(file.read())
        except (OSError, ValueError) as error:
            reason = f'{self._path}: {error}'
            if reason != self._error:
                LOG.error(
                    'A file is refused, and %s: %s',
                    'there is none before it to go on with'
                    if self._content is None
                    else 'the last good content stays in use',
                    reason,
                )
            self._error = reason
        else:
            self._error = None
        self._signature = signature
