# SPDX-License-Identifier: Apache-2.0

"""The storage driver "file": a directory with a file for each recording.

A recording that is written is ``ID.part``, and locked by its writer. The
kernel unlocks it when the writer dies. A finished one is ``ID.rec``.
"""

import contextlib
import errno
import fcntl
import os
import pathlib
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Final

from oslo_config import cfg

from console_svc.recordings.check import Source
from console_svc.recordings.storage import Entry, Sink, Storage

# Not readable by all: it has what was on a console.
_MODE: Final = 0o640

_FINISHED: Final = '.rec'
_WRITTEN: Final = '.part'
# A recording whose head is not yet whole.
_NEW: Final = '.new'

# Seconds after which a file with an unfinished head is left from a crash.
_NEW_SECONDS: Final = 3600

_MIB: Final = 1 << 20

# A descriptor that is not valid.
_CLOSED: Final = -1


class FileStorage(Storage):
    """Stores recordings in ``[recording] directory``."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__(conf)
        self._folder = pathlib.Path(conf.recording.directory)
        self._min_free = conf.recording.min_free * _MIB

    def check(self) -> None:
        if not self._folder.is_dir():
            self._folder.mkdir(mode=0o750)
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise PermissionError(
                errno.EACCES, os.strerror(errno.EACCES), str(self._folder)
            )

    def create(self, recording_id: str, head: bytes) -> Sink:
        new = self._path(recording_id, _NEW)
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND
        file = os.open(new, flags | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
        sink = _FileSink(self, recording_id, file)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            sink.append(head)
            # A rename would replace another recording.
            os.link(new, self._path(recording_id, _WRITTEN))
            self.sync()
        except BaseException:
            sink.close()
            raise
        finally:
            new.unlink(missing_ok=True)
        return sink

    @contextlib.contextmanager
    def open(self, recording_id: str) -> Iterator[Source]:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            file = os.open(self._path(recording_id, _WRITTEN), flags)
        except FileNotFoundError:
            # It is finished, perhaps since a moment ago.
            file = os.open(self._path(recording_id, _FINISHED), flags)
        try:
            yield _FileSource(file)
        finally:
            os.close(file)

    def entries(self) -> Iterator[Entry]:
        for path in self._folder.iterdir():
            if path.suffix not in (_FINISHED, _WRITTEN, _NEW):
                continue
            try:
                self._path(path.stem, path.suffix)
                found = path.stat()
            except (ValueError, FileNotFoundError):
                # It is not a recording, or it was deleted or finished since.
                continue
            if path.suffix != _NEW:
                yield Entry(
                    path.stem,
                    found.st_size,
                    found.st_mtime,
                    path.suffix == _FINISHED,
                )
            elif found.st_mtime < time.time() - _NEW_SECONDS:
                path.unlink(missing_ok=True)

    def complete(
        self,
        recording_id: str,
        completing: Callable[[Source], tuple[int, bytes]],
    ) -> bool:
        path = self._path(recording_id, _WRITTEN)
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            file = os.open(path, flags)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its writer may have finished it between open() and flock().
            if not os.path.samestat(os.fstat(file), path.stat()):
                return False
            whole, end = completing(_FileSource(file))
            os.ftruncate(file, whole)
            _write(file, end, whole)
            os.fsync(file)
            self.rename(recording_id)
        except (BlockingIOError, FileNotFoundError):
            return False
        finally:
            os.close(file)
        return True

    def delete(self, recording_id: str) -> None:
        for suffix in _WRITTEN, _FINISHED:
            self._path(recording_id, suffix).unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self, recording_id: str) -> Iterator[int]:
        """Lock a finished recording, and open it to read.

        :raises FileNotFoundError: there is no such recording, or it is not
            finished
        :raises BlockingIOError: another process has locked it
        """
        path = self._path(recording_id, _FINISHED)
        # NFS locks only what may be written.
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # It may have been deleted between open() and flock().
            if not os.path.samestat(os.fstat(file), path.stat()):
                raise FileNotFoundError(errno.ENOENT, 'It was replaced', path)
            yield file
        finally:
            os.close(file)

    def check_room(self) -> None:
        """Check that the file system has as much left as it must have.

        :raises OSError: it has less
        """
        if not self._min_free:
            return
        found = os.statvfs(self._folder)
        if found.f_bavail * found.f_frsize < self._min_free:
            raise OSError(
                errno.ENOSPC,
                'Less than [recording] min_free is left',
                str(self._folder),
            )

    def rename(self, recording_id: str) -> None:
        """Give a recording the name of a finished one."""
        self._path(recording_id, _WRITTEN).rename(
            self._path(recording_id, _FINISHED)
        )
        self.sync()

    def sync(self) -> None:
        """Have new names of files survive a crash of this host."""
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _path(self, recording_id: str, suffix: str) -> pathlib.Path:
        """The path of a recording.

        :raises ValueError: the id is not one; it may be a path
        """
        if str(uuid.UUID(recording_id)) != recording_id:
            raise ValueError(f'{recording_id!r} is not the id of a recording')
        return self._folder / f'{recording_id}{suffix}'


class _FileSink(Sink):
    """A file that this process has locked."""

    def __init__(
        self, storage: FileStorage, recording_id: str, file: int
    ) -> None:
        self._storage = storage
        self._id = recording_id
        self._file = file

    def append(self, data: bytes) -> None:
        self._storage.check_room()
        _write(self._file, data)
        os.fdatasync(self._file)

    def finish(self) -> None:
        try:
            # While the lock is held.
            self._storage.rename(self._id)
        finally:
            self.close()

    def close(self) -> None:
        file, self._file = self._file, _CLOSED
        if file != _CLOSED:
            os.close(file)


class _FileSource:
    """What a file has now."""

    def __init__(self, file: int) -> None:
        self._file = file
        self.size = os.fstat(file).st_size

    def read(self, offset: int, length: int) -> bytes:
        length = max(0, min(length, self.size - offset))
        return os.pread(self._file, length, offset)


def _write(file: int, data: bytes, offset: int | None = None) -> None:
    """Write all bytes, at the end of the file or at an offset."""
    left = memoryview(data)
    while left:
        if offset is None:
            written = os.write(file, left)
        else:
            written = os.pwrite(file, left, offset)
            offset += written
        left = left[written:]
