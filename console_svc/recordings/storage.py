# SPDX-License-Identifier: Apache-2.0

"""The interface of storage drivers: where recordings are stored.

All methods may wait for the storage: call them in threads.
"""

import abc
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Final

from oslo_config import cfg

from console_svc import drivers
from console_svc.recordings.check import Source

NAMESPACE: Final = 'console_svc.recordings'


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A recording in the storage.

    :param size: bytes
    :param changed_at: when it was last written to, in seconds of the UTC epoch
    :param is_finished: whether it has ended, or was completed
    """

    id: str
    size: int
    changed_at: float
    is_finished: bool


class Unavailable(OSError):
    """The storage does not answer, or cannot do anything at the moment."""


class Sink(abc.ABC):
    """A recording that is written.

    Unless :meth:`finish` is called, :meth:`Storage.complete` can complete it
    once the sink is closed, or its process has died.
    """

    @abc.abstractmethod
    def append(self, data: bytes) -> None:
        """Append pieces. Afterwards they survive a crash of this host.

        :raises OSError: they cannot be written, and may be written in part
        """

    @abc.abstractmethod
    def finish(self) -> None:
        """Mark the recording as finished, and close it.

        :raises OSError: it cannot be marked, and is closed
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Close it. It may be closed already."""


class Storage(abc.ABC):
    """Stores recordings: sequences of bytes with an id.

    :param conf: the configuration of the service
    """

    #: Whether finished recordings are uploaded from this host to where they
    #: stay.
    uploads = False

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.conf = conf

    @abc.abstractmethod
    def check(self) -> None:
        """Check that recordings can be written, when a program starts.

        :raises OSError: they cannot
        """

    @abc.abstractmethod
    def create(self, recording_id: str, head: bytes) -> Sink:
        """Create a recording.

        :param recording_id: a UUID
        :param head: its first piece; it never exists without
        :raises OSError: it cannot be written
        """

    @abc.abstractmethod
    def open(self, recording_id: str) -> AbstractContextManager[Source]:
        """Open a recording to read what it has now.

        :raises FileNotFoundError: there is no such recording
        :raises OSError: it cannot be read
        """

    @abc.abstractmethod
    def entries(self) -> Iterator[Entry]:
        """All recordings, in any order.

        :raises OSError: the storage is unavailable
        """

    def common_entries(self) -> Iterator[Entry]:
        """Those that all hosts find, in any order.

        :raises OSError: the storage is unavailable
        """
        return self.entries()

    def written(self) -> Iterator[Entry]:
        """Those that :meth:`complete` and :meth:`upload` may concern.

        :raises OSError: the storage is unavailable
        """
        return self.entries()

    @abc.abstractmethod
    def complete(
        self,
        recording_id: str,
        completing: Callable[[Source], tuple[int, bytes]],
    ) -> bool:
        """Complete a recording, unless it is finished or still written to.

        :param completing: returns the bytes to keep, and those to append
        :returns: whether it was completed now
        :raises OSError: it cannot be read or written
        """

    def upload(self, recording_id: str) -> bool:
        """Upload a finished recording, unless another process does it.

        :returns: whether it was uploaded now
        :raises Unavailable: the storage is unavailable
        :raises OSError: it cannot be uploaded
        """
        return False

    @abc.abstractmethod
    def delete(self, recording_id: str) -> None:
        """Delete a recording. It may be deleted already.

        :raises OSError: it cannot be deleted
        """


def load(conf: cfg.ConfigOpts) -> Storage:
    """Load the driver that ``[recording] storage`` names.

    :raises oslo_config.cfg.Error: there is no such entry point, or it is not
        a :class:`Storage`
    """
    storage: Storage = drivers.load(
        conf, NAMESPACE, 'recording', 'storage', Storage, 'storage'
    )
    return storage
