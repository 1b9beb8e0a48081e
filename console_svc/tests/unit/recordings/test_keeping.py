# SPDX-License-Identifier: Apache-2.0

import os
import pathlib
import time

import fixtures as fixtures_
import testtools
from cryptography.fernet import Fernet

from console_svc.recordings import cast, check, storage
from console_svc.recordings.check import State
from console_svc.recordings.keeping import Keeping, Kept, expired
from console_svc.recordings.keys import Keys
from console_svc.recordings.storage import Entry, Unavailable
from console_svc.tests import fixtures
from console_svc.tests.unit.recordings.store import (
    ONE,
    THREE,
    TWO,
    StoreTest,
)

DAY = 86400
NOW = 100 * DAY


class ExpiredTest(testtools.TestCase):
    def expired(self, days: int = 0, size: int = 0) -> list[str]:
        entries = [
            Entry('new', 10, NOW, True),
            Entry('old', 10, NOW - 2 * DAY - 1, True),
            Entry('older', 10, NOW - 3 * DAY, True),
            Entry('open', 10, NOW - 9 * DAY, False),
        ]
        return [it.id for it in expired(entries, days, size, NOW)]

    def test_without_limits_all_are_kept(self) -> None:
        self.assertEqual([], self.expired())

    def test_old_recordings_are_not_kept(self) -> None:
        self.assertEqual(['older', 'old'], self.expired(days=2))
        self.assertEqual(['older'], self.expired(days=2, size=30)[:1])
        self.assertEqual([], self.expired(days=3))

    def test_oldest_recordings_make_room(self) -> None:
        self.assertEqual([], self.expired(size=40))
        self.assertEqual(['older'], self.expired(size=39))
        self.assertEqual(['older'], self.expired(size=30))
        self.assertEqual(['older', 'old'], self.expired(size=20))

    def test_recordings_that_are_written_stay(self) -> None:
        self.assertEqual(['older', 'old', 'new'], self.expired(size=1))


class KeepingTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
        self.key_file = self.folder / 'keys'
        self.key_file.write_text(Fernet.generate_key().decode())
        self.log = self.useFixture(fixtures_.FakeLogger())
        self.load()

    def load(self, **options: object) -> None:
        conf = self.useFixture(
            fixtures.Configuration(
                recording={
                    'directory': str(self.folder),
                    'key_file': str(self.key_file),
                    'min_free': 0,
                    **options,
                }
            )
        ).conf
        self.storage = storage.load(conf)
        self.keys = Keys(conf)
        self.keeping = Keeping(conf, self.storage, self.keys)

    def interrupted(self, recording_id: str) -> None:
        """A recording whose writer has died."""
        writer = cast.Writer(self.keys.new(recording_id), {})
        sink = self.storage.create(recording_id, writer.start())
        writer.output(5, b'hi')
        sink.append(writer.cut())
        writer.output(10, b'more')
        sink.append(writer.cut()[:-1])
        sink.close()

    def check(self, recording_id: str) -> check.Result:
        with self.storage.open(recording_id) as source:
            return check.check(source, self.keys.of(recording_id, source))

    def test_interrupted_recordings_are_completed(self) -> None:
        self.interrupted(ONE)
        self.assertEqual(State.UNFINISHED, self.check(ONE).state)
        self.assertEqual(Kept(1, 0, 0), self.keeping.run(NOW))
        result = self.check(ONE)
        self.assertTrue(result.is_good)
        self.assertEqual(State.INTERRUPTED, result.state)
        self.assertEqual(5, result.last)
        self.assertEqual(Kept(0, 0, 0), self.keeping.run(NOW))

    def test_recordings_of_older_keys_are_completed(self) -> None:
        self.interrupted(ONE)
        old = self.key_file.read_text()
        self.key_file.write_text(f'{Fernet.generate_key().decode()}\n{old}')
        self.assertEqual(Kept(1, 0, 0), self.keeping.run(NOW))
        self.assertTrue(self.check(ONE).is_good)

    def test_recording_without_its_key_is_not_completed(self) -> None:
        self.interrupted(ONE)
        before = (self.folder / f'{ONE}.part').read_bytes()
        self.key_file.write_text(Fernet.generate_key().decode())
        for failed in 1, 0:
            self.assertEqual(Kept(0, 0, failed), self.keeping.run(NOW))
        self.assertIn(f'Recording {ONE} was interrupted', self.log.output)
        self.assertEqual(before, (self.folder / f'{ONE}.part').read_bytes())

    def test_recordings_that_are_written_are_left_alone(self) -> None:
        writer = cast.Writer(self.keys.new(ONE), {})
        sink = self.storage.create(ONE, writer.start())
        self.addCleanup(sink.close)
        self.assertEqual(Kept(0, 0, 0), self.keeping.run(NOW))

    def test_old_recordings_are_deleted(self) -> None:
        now = time.time()
        for number, recording_id in enumerate((ONE, TWO, THREE)):
            self.interrupted(recording_id)
            self.keeping.run(now)
            changed_at = now - number * DAY - 1
            path = self.folder / f'{recording_id}.rec'
            os.utime(path, (changed_at, changed_at))
        self.load(days=2)
        self.assertEqual(Kept(0, 1, 0), self.keeping.run(now))
        self.assertEqual({ONE, TWO}, {it.id for it in self.storage.entries()})
        self.assertIn(f'Recording {THREE} was deleted', self.log.output)


class UploadTest(StoreTest):
    """Recordings that are uploaded."""

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures_.FakeLogger())
        self.start()

    def start(self, **options: object) -> None:
        """Start another process."""
        self.storage = self.load(**options)
        self.keeping = Keeping(self.conf, self.storage, Keys(self.conf))

    def test_interval_is_that_of_uploads(self) -> None:
        self.start(upload_interval=2.5)
        self.assertEqual(2.5, self.keeping.interval)

    def test_finished_recordings_are_uploaded(self) -> None:
        self.finished()
        self.finished(TWO)
        self.create(THREE)
        self.assertEqual(Kept(0, 0, 0, 2, 0), self.keeping.run(NOW))
        self.assertEqual({f'{THREE}.part'}, self.files())
        self.assertIn(f'Recording {ONE} was uploaded', self.log.output)
        self.assertEqual(Kept(0, 0, 0), self.keeping.run(NOW))

    def test_recordings_wait_for_the_store(self) -> None:
        self.finished()
        self.finished(TWO)
        self.store.error = Unavailable('away')
        for _ in range(3):
            self.assertEqual(Kept(0, 0, 0, 0, 2), self.keeping.run(NOW))
        self.assertEqual({f'{ONE}.rec', f'{TWO}.rec'}, self.files())
        self.store.error = PermissionError('full')
        self.keeping.run(NOW)
        # Each reason is logged once.
        self.assertEqual(
            ['away', 'full'],
            [
                it.rpartition(': ')[2]
                for it in self.log.output.splitlines()
                if 'Recordings cannot be uploaded' in it
            ],
        )
        self.store.error = None
        self.start()
        self.assertEqual(Kept(0, 0, 0, 2, 0), self.keeping.run(NOW))

    def test_recovery_is_logged(self) -> None:
        self.finished()
        self.store.error = Unavailable('away')
        self.keeping.run(NOW)
        self.store.error = None
        # This process does not know before it has uploaded one.
        self.load().upload(ONE)
        self.keeping.run(NOW)
        self.assertNotIn('Recordings can be uploaded', self.log.output)
        self.finished(TWO)
        self.keeping.run(NOW)
        self.assertIn('Recordings can be uploaded again', self.log.output)

    def test_unavailable_store_is_asked_once(self) -> None:
        self.finished()
        self.finished(TWO)
        asked = []

        def upload(recording_id: str) -> bool:
            asked.append(recording_id)
            raise Unavailable

        self.storage.upload = upload
        self.keeping.run(NOW)
        self.assertEqual(1, len(asked))

    def test_recording_that_is_refused_does_not_stop_the_others(self) -> None:
        self.finished()
        self.finished(TWO)
        upload = self.storage.upload

        def refuse_one(recording_id: str) -> bool:
            if recording_id == ONE:
                raise OSError('refused')
            return upload(recording_id)

        self.storage.upload = refuse_one
        self.assertEqual(Kept(0, 0, 0, 1, 1), self.keeping.run(NOW))
        self.assertEqual({f'{TWO}.rec'}, {*self.store.found})

    def test_oldest_objects_make_room(self) -> None:
        self.start(size=1)
        for number, recording_id in enumerate((ONE, TWO, THREE)):
            name = f'{recording_id}.rec'
            self.store.found[name] = bytes(400 << 10)
            self.store.changed_at[name] = NOW - number
        self.assertEqual(Kept(0, 1, 0), self.keeping.run(NOW))
        self.assertEqual({f'{ONE}.rec', f'{TWO}.rec'}, {*self.store.found})

    def test_store_is_listed_once_an_hour(self) -> None:
        self.start(days=1)

        def add() -> None:
            self.store.found[f'{ONE}.rec'] = b''

        self.store.error = Unavailable()
        self.assertRaises(Unavailable, self.keeping.run, NOW)
        self.store.error = None
        add()
        self.assertEqual(0, self.keeping.run(NOW + 59).deleted)
        self.assertEqual(1, self.keeping.run(NOW + 60).deleted)
        add()
        self.assertEqual(0, self.keeping.run(NOW + 3659).deleted)
        self.assertEqual(1, self.keeping.run(NOW + 3660).deleted)
