# SPDX-License-Identifier: Apache-2.0

import hashlib
import io
import os
import sys
from unittest import mock

import fixtures as fixtures_
import testtools
from oslo_config import cfg

from console_svc.recordings import objects, storage
from console_svc.recordings.check import Source
from console_svc.recordings.objects import ObjectSource, Part
from console_svc.recordings.storage import Unavailable
from console_svc.tests import fixtures
from console_svc.tests.unit.recordings.store import (
    ONE,
    TWO,
    Memory,
    StoreTest,
)

NAME = f'{ONE}.rec'


class ObjectStorageTest(StoreTest):
    def read(self, recording_id: str = ONE) -> bytes:
        with self.storage.open(recording_id) as source:
            return source.read(0, source.size)

    def entries(self) -> list[tuple[str, int, bool]]:
        return [
            (it.id, it.size, it.is_finished) for it in self.storage.entries()
        ]

    def test_finished_recording_is_uploaded(self) -> None:
        self.finished()
        self.assertEqual({NAME}, self.files())
        before = self.read()
        self.assertTrue(self.storage.upload(ONE))
        self.assertEqual({NAME: b'head,end'}, self.store.found)
        self.assertEqual(set(), self.files())
        self.assertEqual(before, self.read())
        self.assertFalse(self.storage.upload(ONE))

    def test_recording_that_is_written_is_not_uploaded(self) -> None:
        sink = self.create()
        self.assertFalse(self.storage.upload(ONE))
        sink.close()
        self.assertFalse(self.storage.upload(ONE))
        self.assertEqual({}, self.store.found)
        self.assertEqual(b'head,', self.read())

    def test_recording_of_a_dead_writer_is_completed(self) -> None:
        def completing(source: Source) -> tuple[int, bytes]:
            return source.size - 1, b'!'

        self.create().close()
        self.assertTrue(self.load().complete(ONE, completing))
        self.assertTrue(self.storage.upload(ONE))
        self.assertEqual(b'head!', self.read())

    def test_another_process_does_not_upload_it_again(self) -> None:
        self.finished()
        other = self.load()
        found = []
        self.store.uploaded = lambda: found.append(other.upload(ONE))
        self.assertTrue(self.storage.upload(ONE))
        self.assertEqual([False], found)

    def test_recording_that_is_uploaded_meanwhile_is_skipped(self) -> None:
        """Another process has it between the open and the lock."""
        self.finished()
        other = self.load()

        def upload(file: int, flags: int) -> None:
            flock.cleanUp()
            self.assertTrue(other.upload(ONE))

        flock = fixtures_.MonkeyPatch('fcntl.flock', upload)
        flock.setUp()
        self.assertFalse(self.storage.upload(ONE))
        self.assertEqual(1, self.store.uploads)

    def test_upload_that_fails_loses_nothing(self) -> None:
        self.finished()
        self.store.error = Unavailable()
        self.assertRaises(Unavailable, self.storage.upload, ONE)
        self.assertEqual({NAME}, self.files())
        self.assertEqual(b'head,end', self.read())
        self.store.error = None
        # Another process does it.
        self.assertTrue(self.load().upload(ONE))
        self.assertEqual(b'head,end', self.read())

    def test_object_that_is_not_whole_is_uploaded_again(self) -> None:
        self.finished()

        def cut() -> None:
            self.store.found[NAME] = b'head,'

        self.store.uploaded = cut
        error = self.assertRaises(OSError, self.storage.upload, ONE)
        self.assertIn('5 of 8 bytes were stored', str(error))
        self.assertEqual({NAME}, self.files())
        self.store.uploaded = lambda: None
        self.assertTrue(self.storage.upload(ONE))
        self.assertEqual(b'head,end', self.read())

    def test_recording_is_not_deleted_while_it_is_uploaded(self) -> None:
        self.finished()
        other = self.load()
        errors = []

        def delete() -> None:
            errors.append(self.assertRaises(OSError, other.delete, ONE))

        self.store.uploaded = delete
        self.assertTrue(self.storage.upload(ONE))
        self.assertIn('uploaded at the moment', str(errors[0]))
        other.delete(ONE)
        self.assertEqual({}, self.store.found)

    def test_spool_that_loses_a_file_leaves_no_object(self) -> None:
        self.finished()
        self.store.uploaded = (self.folder / NAME).unlink
        self.storage.upload(ONE)
        self.assertEqual({}, self.store.found)

    def test_recordings_are_deleted_wherever_they_are(self) -> None:
        self.finished()
        self.storage.upload(ONE)
        self.finished(TWO)
        for recording_id in ONE, TWO, TWO:
            self.storage.delete(recording_id)
        self.assertEqual(({}, set()), (self.store.found, self.files()))
        self.assertRaises(FileNotFoundError, self.read)

    def test_what_cannot_be_deleted_stays(self) -> None:
        self.finished()
        self.store.error = Unavailable()
        self.assertRaises(Unavailable, self.storage.delete, ONE)
        self.assertEqual({NAME}, self.files())
        # The lock is free again.
        self.store.error = None
        self.assertTrue(self.storage.upload(ONE))

    def test_recordings_of_both_places_are_listed(self) -> None:
        self.finished()
        self.storage.upload(ONE)
        self.create(TWO)
        self.assertEqual([(TWO, 5, False), (ONE, 8, True)], self.entries())

    def test_other_hosts_do_not_find_the_spool(self) -> None:
        """An index that two hosts update would have it by turns."""
        self.finished()
        self.storage.upload(ONE)
        self.create(TWO)
        found = self.storage.common_entries()
        self.assertEqual([ONE], [it.id for it in found])

    def test_recording_in_both_places_is_listed_once(self) -> None:
        """Its upload was interrupted, perhaps."""
        self.finished()
        self.store.found[NAME] = b'he'
        self.assertEqual([(ONE, 8, True)], self.entries())

    def test_other_objects_are_not_recordings(self) -> None:
        for name in 'README', 'x.rec', f'{ONE}.part', f'{NAME}/00000001':
            self.store.found[name] = b''
        self.assertEqual([], self.entries())

    def test_spool_is_not_needed_to_read(self) -> None:
        self.finished()
        self.storage.upload(ONE)
        self.folder.rmdir()
        self.assertEqual([(ONE, 8, True)], self.entries())
        self.assertEqual(b'head,end', self.read())
        self.storage.delete(ONE)
        self.assertEqual([], self.entries())

    def test_id_that_is_another_name_is_refused(self) -> None:
        self.folder.rmdir()
        for bad in '../x', '', ONE.upper() + '/', f'{ONE}/..', 'x' * 36:
            self.assertRaises(ValueError, self.read, bad)
            self.assertRaises(ValueError, self.storage.delete, bad)
            self.assertRaises(ValueError, self.storage.upload, bad)

    def test_min_free_bounds_the_spool(self) -> None:
        self.storage = self.load(min_free=2**40)
        self.assertRaises(OSError, self.create)

    def test_store_that_refuses_is_an_error_at_the_start(self) -> None:
        self.storage.check()
        self.store.error = PermissionError('wrong')
        self.assertRaises(PermissionError, self.storage.check)

    def test_unavailable_store_is_a_warning_at_the_start(self) -> None:
        log = self.useFixture(fixtures_.FakeLogger())
        self.store.error = Unavailable('away')
        self.storage.check()
        self.assertIn('stay in [recording] directory', log.output)

    def test_large_recordings_have_several_parts(self) -> None:
        self.useFixture(fixtures_.MonkeyPatch(f'{objects.__name__}.PART', 3))
        self.finished()
        self.assertTrue(self.storage.upload(ONE))
        self.assertEqual(b'head,end', self.read())


class PartTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        path = os.path.join(self.useFixture(fixtures_.TempDir()).path, 'x')
        with open(path, 'wb') as file:
            file.write(b'0123456789')
        self.file = os.open(path, os.O_RDONLY)
        self.addCleanup(os.close, self.file)

    def test_part_is_a_file(self) -> None:
        part = Part(self.file, 2, 5)
        self.assertEqual(5, len(part))
        self.assertEqual(hashlib.md5(b'23456').digest(), part.md5)
        self.assertEqual(b'234', part.read(3))
        self.assertEqual(3, part.tell())
        self.assertEqual(b'56', part.read())
        self.assertEqual(b'', part.read(1))
        self.assertEqual(4, part.seek(-1, io.SEEK_END))
        self.assertEqual(b'6', part.read(9))
        part.seek(-2, io.SEEK_CUR)
        self.assertEqual(b'56', part.read())
        part.seek(0)
        self.assertEqual(b'23456', part.read())


class ObjectSourceTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.store = Memory()
        self.data = os.urandom(300) * 1000
        self.store.found['x'] = self.data
        self.useFixture(
            fixtures_.MonkeyPatch(f'{objects.__name__}._FIRST_WINDOW', 1000)
        )
        self.useFixture(
            fixtures_.MonkeyPatch(f'{objects.__name__}._LAST_WINDOW', 4000)
        )
        self.source = ObjectSource(self.store, 'x')

    def test_ranges_are_read(self) -> None:
        for start, size in (
            (0, 10),
            (995, 10),
            (5000, 20000),
            (4, 0),
            (299_990, 100),
            (300_000, 1),
            (300_001, 1),
            (1, 3),
        ):
            self.assertEqual(
                self.data[start : start + size], self.source.read(start, size)
            )
        self.assertEqual(len(self.data), self.source.size)

    def test_more_is_read_ahead_each_time(self) -> None:
        for start in range(0, 20000, 10):
            self.source.read(start, 10)
        self.assertEqual(
            [(0, 1000), (1000, 2000), (3000, 4000), (7000, 4000)],
            self.store.reads[:4],
        )

    def test_little_is_read_where_it_jumps(self) -> None:
        for start in 1000, 100_000, 50_000, 200_000:
            self.source.read(start, 10)
        self.assertEqual(
            [(1000, 2000), (100_000, 1000), (50_000, 1000), (200_000, 1000)],
            self.store.reads[1:],
        )

    def test_object_that_changes_is_an_error(self) -> None:
        self.store.found['x'] = self.data[1:]
        self.assertRaises(OSError, self.source.read, 5000, 1)


class LoadTest(testtools.TestCase):
    def load(self, kind: str, **options: object) -> str:
        """The error."""
        conf = self.useFixture(
            fixtures.Configuration(
                recording={'storage': kind}, **{kind: options}
            )
        ).conf
        return str(self.assertRaises(cfg.Error, storage.load, conf))

    def test_missing_credential_is_an_error(self) -> None:
        self.assertIn('auth_type', self.load('swift'))
        self.assertIn('auth_url', self.load('swift', auth_type='password'))
        self.assertIn('secret_key', self.load('s3', access_key='x'))

    def test_missing_library_is_an_error(self) -> None:
        # With None in sys.modules, an import raises ImportError.
        with mock.patch.dict(sys.modules, {'boto3': None}):
            self.assertIn('install console-svc[s3]', self.load('s3'))
