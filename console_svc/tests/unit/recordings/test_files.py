# SPDX-License-Identifier: Apache-2.0

import errno
import os
import pathlib
import time
import uuid

import fixtures as fixtures_
import testtools
from oslo_config import cfg

from console_svc.recordings import storage
from console_svc.recordings.check import Source
from console_svc.recordings.files import FileStorage
from console_svc.tests import fixtures

ONE = str(uuid.UUID(int=1))
TWO = str(uuid.UUID(int=2))


def complete(source: Source) -> tuple[int, bytes]:
    """Keep all but three bytes, and append an end of one."""
    return source.size - 3, b'!'


class FileStorageTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
        self.storage = self.load(min_free=0)

    def load(self, **options: object) -> FileStorage:
        conf = self.useFixture(
            fixtures.Configuration(
                recording={'directory': str(self.folder), **options}
            )
        ).conf
        loaded = storage.load(conf)
        self.assertIsInstance(loaded, FileStorage)
        return loaded

    def read(self, recording_id: str) -> bytes:
        with self.storage.open(recording_id) as source:
            return source.read(0, 100)

    def create(self, recording_id: str = ONE) -> storage.Sink:
        sink = self.storage.create(recording_id, b'head,')
        self.addCleanup(sink.close)
        return sink

    def entries(self) -> list[tuple[str, int, bool]]:
        return [
            (it.id, it.size, it.is_finished) for it in self.storage.entries()
        ]

    def test_recording_can_be_read_while_it_is_written(self) -> None:
        sink = self.create()
        self.assertEqual(b'head,', self.read(ONE))
        with self.storage.open(ONE) as source:
            sink.append(b'more')
            # A source has what there was when it was opened.
            self.assertEqual(b'head,', source.read(0, 100))
        self.assertEqual(b'head,more', self.read(ONE))
        self.assertEqual([(ONE, 9, False)], self.entries())
        sink.finish()
        self.assertEqual(b'head,more', self.read(ONE))
        self.assertEqual([(ONE, 9, True)], self.entries())

    def test_ranges_can_be_read(self) -> None:
        self.create()
        with self.storage.open(ONE) as source:
            self.assertEqual(5, source.size)
            self.assertEqual(b'ea', source.read(1, 2))
            self.assertEqual(b'd,', source.read(3, 10))
            self.assertEqual(b'', source.read(7, 2))

    def test_recording_that_is_written_is_not_completed(self) -> None:
        sink = self.create()
        self.assertFalse(self.storage.complete(ONE, complete))
        sink.append(b'more')
        self.assertEqual(b'head,more', self.read(ONE))
        sink.finish()
        self.assertFalse(self.storage.complete(ONE, complete))

    def test_recording_that_was_not_finished_is_completed(self) -> None:
        self.create().close()
        self.assertEqual([(ONE, 5, False)], self.entries())
        self.assertTrue(self.storage.complete(ONE, complete))
        self.assertEqual(b'he!', self.read(ONE))
        self.assertEqual([(ONE, 3, True)], self.entries())
        self.assertFalse(self.storage.complete(ONE, complete))

    def test_recording_that_finishes_meanwhile_is_not_completed(self) -> None:
        """It is finished between the open and the lock."""
        sink = self.create()
        flock = fixtures_.MonkeyPatch('fcntl.flock', lambda *_: sink.finish())
        with flock:
            self.assertFalse(self.storage.complete(ONE, complete))
        self.assertEqual(b'head,', self.read(ONE))

    def test_completion_that_fails_changes_nothing(self) -> None:
        self.create().close()

        def fail(source: Source) -> tuple[int, bytes]:
            raise ValueError

        self.assertRaises(ValueError, self.storage.complete, ONE, fail)
        self.assertEqual([(ONE, 5, False)], self.entries())

    def test_recordings_are_deleted(self) -> None:
        self.create().finish()
        self.create(TWO)
        for recording_id in ONE, TWO, TWO:
            self.storage.delete(recording_id)
        self.assertEqual([], self.entries())
        self.assertRaises(FileNotFoundError, self.read, ONE)

    def test_id_is_used_once(self) -> None:
        self.create()
        self.assertRaises(OSError, self.storage.create, ONE, b'other')

    def test_id_that_is_a_path_is_refused(self) -> None:
        for bad in '../x', '', ONE.replace('-', ''), f'{ONE}/', 'x' * 36:
            self.assertRaises(ValueError, self.storage.create, bad, b'')
            self.assertRaises(ValueError, self.read, bad)
            self.assertRaises(ValueError, self.storage.delete, bad)
            self.assertRaises(ValueError, self.storage.complete, bad, complete)

    def test_other_files_are_not_recordings(self) -> None:
        for name in 'README', 'x.rec', f'{ONE}.bak', f'{ONE}.new':
            (self.folder / name).write_text('')
        self.assertEqual([], self.entries())

    def test_heads_that_a_crash_has_left_are_deleted(self) -> None:
        files = [self.folder / f'{it}.new' for it in (ONE, TWO)]
        for file in files:
            file.write_text('')
        before = time.time() - 3601
        os.utime(files[0], (before, before))
        self.entries()
        self.assertEqual([False, True], [it.exists() for it in files])

    def test_files_are_not_readable_by_all(self) -> None:
        self.create().finish()
        mode = (self.folder / f'{ONE}.rec').stat().st_mode
        self.assertEqual(0, mode & 0o007)

    def test_min_free_stays_free(self) -> None:
        sink = self.create()
        more = os.statvfs(self.folder)
        free = more.f_blocks * more.f_frsize // 2**20 + 1
        small = self.load(min_free=free)
        error = self.assertRaises(OSError, small.create, TWO, b'head')
        self.assertEqual(errno.ENOSPC, error.errno)
        self.assertEqual([f'{ONE}.part'], os.listdir(self.folder))
        # What runs ends, too.
        sink._storage = small
        self.assertRaises(OSError, sink.append, b'more')
        self.assertEqual(b'head,', self.read(ONE))

    def test_directory_is_created(self) -> None:
        self.folder /= 'new'
        self.load().check()
        self.assertEqual(0, self.folder.stat().st_mode & 0o007)

    def test_directory_must_be_writable(self) -> None:
        self.folder /= 'missing/new'
        self.assertRaises(OSError, self.load().check)
        self.folder = pathlib.Path('/proc')
        self.assertRaises(OSError, self.load().create, ONE, b'')


class LoadTest(testtools.TestCase):
    def test_unknown_driver_is_an_error(self) -> None:
        conf = self.useFixture(
            fixtures.Configuration(recording={'storage': 'tape'})
        ).conf
        error = self.assertRaises(cfg.Error, storage.load, conf)
        self.assertIn('[recording] storage: tape', str(error))
