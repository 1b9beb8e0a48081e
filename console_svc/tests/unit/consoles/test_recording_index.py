# SPDX-License-Identifier: Apache-2.0

import os
import pathlib
import uuid
from unittest import mock

import fixtures as fixtures_
import testtools
from oslo_config import cfg

from console_svc.consoles import vault
from console_svc.consoles.recording_index import RecordingIndex
from console_svc.recorded import RecordedSession, RecordingState
from console_svc.recordings import cast, storage
from console_svc.recordings.keeping import Keeping
from console_svc.recordings.keys import Keys
from console_svc.tests import fixtures

ONE, TWO = (str(uuid.UUID(int=it)) for it in (1, 2))


class RecordingIndexTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        configuration = self.useFixture(
            fixtures.Configuration(recording={'min_free': 0})
        )
        self.conf = configuration.conf
        vault.create_key_file(pathlib.Path(self.conf.recording.key_file))
        self.storage = storage.load(self.conf)
        self.storage.check()
        self.database = configuration.database
        self.queries = self.database.recordings
        self.index = RecordingIndex(self.conf, self.database)

    def start(self, recording_id: str = ONE) -> storage.Sink:
        document = {
            'session_id': 'session',
            'server_id': 'server',
            'project_id': 'demo',
            'user_id': 'joe',
            'client_address': None,
            'console_type': 'serial',
            'started_at': 1700000000.5,
        }
        writer = cast.Writer(Keys(self.conf).new(recording_id), document)
        sink = self.storage.create(recording_id, writer.start())
        self.addCleanup(sink.close)
        writer.output(1_500_000, b'hi')
        sink.append(writer.cut())
        self.end = writer.end(2_000_000, 'The end.')
        return sink

    def finish(self, sink: storage.Sink) -> None:
        sink.append(self.end)
        sink.finish()

    def listed(self) -> RecordedSession:
        (recording,) = self.queries.list('server', 10)
        return recording

    def path(self) -> pathlib.Path:
        return pathlib.Path(self.conf.recording.directory, f'{ONE}.rec')

    def test_recordings_are_listed_from_their_start(self) -> None:
        sink = self.start()
        self.assertEqual(1, self.index.update())
        self.assertEqual(
            RecordedSession(
                id=ONE,
                session_id='session',
                server_id='server',
                project_id='demo',
                user_id='joe',
                console_type='serial',
                client_address=None,
                format='asciicast-2',
                started_at=1700000000,
                duration=None,
                size=self.listed().size,
                state=RecordingState.UNFINISHED,
            ),
            self.listed(),
        )
        self.assertEqual(0, self.index.update())
        self.finish(sink)
        self.assertEqual(1, self.index.update())
        self.assertEqual(
            (RecordingState.COMPLETE, 2, self.path().stat().st_size),
            (self.listed().state, self.listed().duration, self.listed().size),
        )
        self.assertEqual(0, self.index.update())

    def test_interrupted_recordings_are_listed_as_such(self) -> None:
        self.start().close()
        self.index.update()
        Keeping(self.conf, self.storage, Keys(self.conf)).run(0)
        self.assertEqual(1, self.index.update())
        self.assertEqual(RecordingState.INTERRUPTED, self.listed().state)

    def test_damaged_recordings_are_listed_as_such(self) -> None:
        self.finish(self.start())
        data = self.path().read_bytes()
        self.path().write_bytes(data[:-1] + b'x')
        self.index.update()
        self.assertEqual(RecordingState.DAMAGED, self.listed().state)

    def test_deleted_recordings_are_not_listed(self) -> None:
        self.finish(self.start())
        self.finish(self.start(TWO))
        self.index.update()
        self.storage.delete(ONE)
        self.assertEqual(1, self.index.update())
        self.assertEqual(TWO, self.listed().id)

    def test_recordings_without_a_head_are_left_out(self) -> None:
        self.finish(self.start())
        self.finish(self.start(TWO))
        data = self.path().read_bytes()
        self.path().write_bytes(b'x' + data[1:])
        self.assertEqual(1, self.index.update())
        self.assertEqual(TWO, self.listed().id)
        self.assertEqual(0, self.index.update())

    def test_recordings_are_listed_once_their_key_is_there(self) -> None:
        key_file = pathlib.Path(self.conf.recording.key_file)
        key = key_file.read_text()
        log = self.useFixture(
            fixtures_.FakeLogger('console_svc.consoles.recording_index')
        )
        self.finish(self.start())
        key_file.unlink()
        vault.create_key_file(key_file)
        other = RecordingIndex(self.conf, self.database)
        for _ in range(2):
            self.assertEqual(0, other.update())
        self.assertEqual(1, log.output.count(ONE))
        key_file.write_text(f'{key_file.read_text()}\n{key}')
        # Files are read again when their size or time changes.
        self.assertEqual(1, other.update())
        self.assertEqual(ONE, self.listed().id)

    def test_newest_recordings_are_listed_first(self) -> None:
        self.finish(self.start())
        self.finish(self.start(TWO))
        os.utime(self.path(), (0, 0))
        self.assertEqual(0, self.index.update(-1))
        added = []
        with mock.patch.object(
            self.queries, 'put', lambda it: added.append(it.id)
        ):
            self.index.update()
        self.assertEqual([TWO, ONE], added)

    def test_one_process_a_minute_updates_it(self) -> None:
        now = [1000.0]
        first, second = (
            RecordingIndex(self.conf, self.database, clock=lambda: now[0])
            for _ in range(2)
        )
        self.finish(self.start())
        self.assertTrue(first.run_if_due())
        self.assertEqual(ONE, self.listed().id)
        self.assertFalse(second.run_if_due())
        now[0] += 60
        self.assertTrue(second.run_if_due())

    def test_key_file_is_needed(self) -> None:
        self.conf.set_override('key_file', '/none', 'recording')
        error = self.assertRaises(
            cfg.Error, RecordingIndex, self.conf, self.database
        )
        self.assertIn('[recording] key_file', str(error))
