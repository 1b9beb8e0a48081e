# SPDX-License-Identifier: Apache-2.0

"""Files that are read again when they change."""

import logging
import os
import threading
import time
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

LOG = logging.getLogger(__name__)

T = TypeVar('T')

#: The signature of a file that does not exist.
MISSING: Final = ()

# The kernel's clock for time stamps is coarse: a file that was written less
# than this long ago may change again without a new one.
_SETTLED_NS = 100_000_000


class Watched(Generic[T]):
    """The content of files, reloaded when they change.

    A change that cannot be loaded is logged once, and the last good content
    stays in use.

    :param load: reads the files; raises ValueError or OSError if they are
        invalid
    :param signature: returns a value that differs after a change; None: it
        may not differ, so reload
    :param reloaded: called after each attempt, with whether it succeeded
    """

    def __init__(
        self,
        load: Callable[[], T],
        signature: Callable[[], Hashable | None],
        reloaded: Callable[[bool], None] | None = None,
    ) -> None:
        self._load = load
        self._reloaded = reloaded
        self._get_signature = signature
        self._lock = threading.Lock()
        self._signature: Hashable | None = None
        self._content: T | None = None
        self._error: str | None = None

    def get(self) -> T:
        """The current content.

        :raises ValueError: the files have never been valid; says why
        """
        signature = self._get_signature()
        if signature is None or signature != self._signature:
            with self._lock:
                self._reload()
        if self._content is None:
            raise ValueError(self._error)
        return self._content

    def _reload(self) -> None:
        # Before the files are read, so that the next call notices a change
        # made meanwhile.
        signature = self._get_signature()
        if signature is not None and signature == self._signature:
            return
        try:
            self._content = self._load()
        except (OSError, ValueError) as error:
            if str(error) != self._error:
                if self._content is None:
                    LOG.error('Cannot load a file: %s', error)
                else:
                    LOG.error(
                        'Cannot reload a file, so its last good content '
                        'stays in use: %s',
                        error,
                    )
            self._error = str(error)
        else:
            self._error = None
        self._signature = signature
        if self._reloaded is not None:
            self._reloaded(self._error is None)


class WatchedFile(Watched[T]):
    """The parsed content of one file.

    :param parse: parses the file's bytes; raises ValueError if they are
        invalid
    """

    def __init__(self, path: str, parse: Callable[[bytes], T]) -> None:
        def load() -> T:
            try:
                with open(path, 'rb') as file:
                    return parse(file.read())
            except (OSError, ValueError) as error:
                raise ValueError(f'{path}: {error}') from error

        super().__init__(load, lambda: signature_of(path))


def signature_of(path: str) -> tuple[int, ...] | None:
    """A value that differs after a change of the file; None: it may not.

    :returns: inode, size and modification time; ``MISSING`` without a file
    """
    try:
        state = os.stat(path)
    except OSError:
        return MISSING
    if time.time_ns() - state.st_mtime_ns < _SETTLED_NS:
        return None
    return (state.st_ino, state.st_size, state.st_mtime_ns)
