# SPDX-License-Identifier: Apache-2.0

"""An object store in memory."""

import pathlib
import uuid
from collections.abc import Callable, Iterator, Sequence

import fixtures as fixtures_
import testtools

from console_svc.recordings.objects import ObjectStorage, Part, Store, Stored
from console_svc.recordings.storage import Sink
from console_svc.tests import fixtures

ONE, TWO, THREE = (str(uuid.UUID(int=it)) for it in range(1, 4))


class Memory(Store):
    """A store that can fail."""

    def __init__(self) -> None:
        self.found: dict[str, bytes] = {}
        self.changed_at: dict[str, float] = {}
        self.error: OSError | None = None
        self.uploads = 0
        #: The ranges that were read.
        self.reads: list[tuple[int, int]] = []
        #: Called at the end of an upload.
        self.uploaded: Callable[[], object] = lambda: None

    def check(self) -> None:
        if self.error is not None:
            raise self.error

    def put(self, name: str, parts: Sequence[Part]) -> None:
        self.check()
        self.uploads += 1
        self.found[name] = b''.join(it.read() for it in parts)
        self.uploaded()

    def get(self, name: str, start: int, size: int) -> tuple[bytes, int]:
        self.check()
        if name not in self.found:
            raise FileNotFoundError
        self.reads.append((start, size))
        data = self.found[name]
        return data[start : start + size], len(data)

    def objects(self) -> Iterator[Stored]:
        self.check()
        for name, data in self.found.items():
            yield Stored(name, len(data), self.changed_at.get(name, 0))

    def delete(self, name: str) -> None:
        self.check()
        self.found.pop(name, None)


class StoreTest(testtools.TestCase):
    """Has a storage of objects in memory."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
        self.store = Memory()
        self.storage = self.load()

    def load(self, **options: object) -> ObjectStorage:
        """A storage with the same store, as another process has it."""
        self.conf = self.useFixture(
            fixtures.Configuration(
                recording={
                    'directory': str(self.folder),
                    'min_free': 0,
                    **options,
                }
            )
        ).conf
        return ObjectStorage(self.conf, self.store)

    def create(self, recording_id: str = ONE) -> Sink:
        sink = self.storage.create(recording_id, b'head,')
        self.addCleanup(sink.close)
        return sink

    def finished(self, recording_id: str = ONE) -> None:
        """A recording that waits for its upload."""
        sink = self.create(recording_id)
        sink.append(b'end')
        sink.finish()

    def files(self) -> set[str]:
        """The files in the spool."""
        return {it.name for it in self.folder.iterdir()}
