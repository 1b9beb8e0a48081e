# SPDX-License-Identifier: Apache-2.0

"""Storage in an object store: recordings are uploaded when they are finished.

Until then, and until the store has them, they are in the directory of the
storage "file", the spool. Any process that has the directory uploads what is
finished in it.
"""

import abc
import contextlib
import dataclasses
import errno
import hashlib
import io
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from oslo_config import cfg

from console_svc.recordings.check import Source
from console_svc.recordings.files import FileStorage
from console_svc.recordings.storage import Entry, Sink, Storage, Unavailable

LOG = logging.getLogger(__name__)

#: Bytes of an object above which it is uploaded in several parts. An SLO of
#: Swift has at most 1,000 parts by default, an S3 object 10,000.
PART: Final = 1 << 28

# Bytes that are read ahead: twice as many each time, up to the largest piece
# of a recording and more.
_FIRST_WINDOW: Final = 1 << 16
_LAST_WINDOW: Final = 1 << 22

# Bytes that are read at a time for a checksum.
_BLOCK: Final = 1 << 20

_NAME: Final = re.compile(
    r'([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.rec'
)


@dataclasses.dataclass(frozen=True, slots=True)
class Stored:
    """An object in a listing.

    :param size: bytes
    :param changed_at: seconds of the UTC epoch
    """

    name: str
    size: int
    changed_at: float


class Part(io.RawIOBase):
    """A part of a file, or all of it, as HTTP clients read it."""

    def __init__(self, file: int, start: int, size: int) -> None:
        self._file = file
        self._start = start
        self._size = size
        self._position = 0
        #: The MD5 digest by which the store checks what it receives.
        self.md5 = self._md5()

    def __len__(self) -> int:
        return self._size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {
            os.SEEK_SET: 0,
            os.SEEK_CUR: self._position,
            os.SEEK_END: self._size,
        }
        self._position = base[whence] + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        left = max(0, self._size - self._position)
        read = os.preadv(
            self._file, [view[:left]], self._start + self._position
        )
        self._position += read
        return read

    def _md5(self) -> bytes:
        # Against errors of the transfer. Changes are found by the MACs.
        digest = hashlib.md5(usedforsecurity=False)
        while block := self.read(_BLOCK):
            digest.update(block)
        self.seek(0)
        return digest.digest()


class Store(abc.ABC):
    """A container or bucket in an object store.

    Its methods raise :class:`.Unavailable` if the store does not answer, and
    other :class:`OSError` if it refuses.
    """

    @abc.abstractmethod
    def check(self) -> None:
        """Check that it exists."""

    @abc.abstractmethod
    def put(self, name: str, parts: Sequence[Part]) -> None:
        """Create or replace an object.

        The store checks what it has received by its MD5.
        """

    @abc.abstractmethod
    def get(self, name: str, start: int, size: int) -> tuple[bytes, int]:
        """Read a range of an object.

        :param size: bytes, at least 1; fewer are read if the object ends
        :returns: the bytes, and the size of the whole object
        :raises FileNotFoundError: there is no such object
        """

    @abc.abstractmethod
    def objects(self) -> Iterator[Stored]:
        """All objects; it reads one page after another."""

    @abc.abstractmethod
    def delete(self, name: str) -> None:
        """Delete an object. It may be deleted already."""


class ObjectSource:
    """A recording in an object store."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._start = 0
        self._window = _FIRST_WINDOW
        self._data, self.size = store.get(name, 0, self._window)

    def read(self, offset: int, length: int) -> bytes:
        length = max(0, min(length, self.size - offset))
        if not length:
            return b''
        skipped = offset - self._start
        if skipped < 0 or skipped + length > len(self._data):
            self._fetch(offset, length)
            skipped = 0
        return self._data[skipped : skipped + length]

    def _fetch(self, offset: int, length: int) -> None:
        """Read bytes from an offset, and some ahead."""
        if self._start <= offset <= self._start + len(self._data):
            self._window = min(2 * self._window, _LAST_WINDOW)
        else:
            self._window = _FIRST_WINDOW
        wanted = min(max(length, self._window), self.size - offset)
        self._data, size = self._store.get(self._name, offset, wanted)
        self._start = offset
        if size != self.size or len(self._data) != wanted:
            raise OSError(errno.EIO, 'The object has changed', self._name)


class ObjectStorage(Storage):
    """Stores recordings in an object store, through a spool.

    :param store: where they stay
    """

    uploads = True

    def __init__(self, conf: cfg.ConfigOpts, store: Store) -> None:
        super().__init__(conf)
        self._spool = FileStorage(conf)
        self._store = store

    def check(self) -> None:
        self._spool.check()
        try:
            self._store.check()
        except Unavailable as error:
            LOG.warning(
                'The object storage of recordings is unavailable. They stay '
                'in [recording] directory until it answers: %s',
                error,
            )

    def create(self, recording_id: str, head: bytes) -> Sink:
        return self._spool.create(recording_id, head)

    @contextlib.contextmanager
    def open(self, recording_id: str) -> Iterator[Source]:
        with contextlib.ExitStack() as stack:
            source: Source
            try:
                source = stack.enter_context(self._spool.open(recording_id))
            except FileNotFoundError:
                # It is uploaded, perhaps since a moment ago.
                source = ObjectSource(self._store, _name(recording_id))
            yield source

    def entries(self) -> Iterator[Entry]:
        # In this order: one that is uploaded meanwhile is not missed.
        spooled = [*self.written()]
        yield from spooled
        known = {it.id for it in spooled}
        yield from (it for it in self.common_entries() if it.id not in known)

    def common_entries(self) -> Iterator[Entry]:
        for stored in self._store.objects():
            if match := _NAME.fullmatch(stored.name):
                yield Entry(match[1], stored.size, stored.changed_at, True)

    def written(self) -> Iterator[Entry]:
        # A host that only reads recordings has no spool.
        with contextlib.suppress(FileNotFoundError):
            yield from self._spool.entries()

    def complete(
        self,
        recording_id: str,
        completing: Callable[[Source], tuple[int, bytes]],
    ) -> bool:
        return self._spool.complete(recording_id, completing)

    def upload(self, recording_id: str) -> bool:
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(self._spool.locked(recording_id))
            except (FileNotFoundError, BlockingIOError):
                return False
            name = _name(recording_id)
            size = os.fstat(file).st_size
            self._store.put(name, _parts(file, size))
            _, stored = self._store.get(name, 0, 1)
            if stored != size:
                raise OSError(
                    errno.EIO, f'{stored} of {size} bytes were stored', name
                )
            if os.fstat(file).st_nlink == 0:
                # It was deleted meanwhile.
                self._store.delete(name)
            self._spool.delete(recording_id)
        return True

    def delete(self, recording_id: str) -> None:
        with self._locked(recording_id):
            self._store.delete(_name(recording_id))
            self._spool.delete(recording_id)

    def _locked(self, recording_id: str) -> AbstractContextManager[object]:
        """Keep other processes from uploading a recording.

        :raises OSError: one does
        """
        stack = contextlib.ExitStack()
        try:
            stack.enter_context(self._spool.locked(recording_id))
        except FileNotFoundError:
            pass
        except BlockingIOError as error:
            raise OSError(
                errno.EBUSY, 'It is uploaded at the moment; delete it later'
            ) from error
        return stack


def _name(recording_id: str) -> str:
    """The name of a recording's object.

    :raises ValueError: the id is not one; it may be another name
    """
    name = f'{recording_id}.rec'
    if _NAME.fullmatch(name) is None:
        raise ValueError(f'{recording_id!r} is not the id of a recording')
    return name


def _parts(file: int, size: int) -> Sequence[Part]:
    return [
        Part(file, start, min(PART, size - start))
        for start in range(0, size, PART)
    ]
