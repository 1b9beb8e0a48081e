# SPDX-License-Identifier: Apache-2.0

"""Queries of the index of recordings."""

import dataclasses

import testtools

from console_svc.recorded import RecordedSession, RecordingState
from console_svc.tests.functional.db.base import NOW, OnSQLite, Queries

ONE = RecordedSession(
    id='one',
    session_id='session',
    server_id='server',
    project_id='demo',
    user_id='joe',
    console_type='serial',
    client_address='198.51.100.7',
    started_at=NOW,
    duration=None,
    size=100,
    state=RecordingState.UNFINISHED,
)
TWO = dataclasses.replace(
    ONE, id='two', started_at=NOW + 1, project_id=None, user_id=None
)
OTHER = dataclasses.replace(ONE, id='other', server_id='elsewhere')


class Recordings(Queries):
    def setUp(self) -> None:
        super().setUp()
        self.queries = self.database.recordings
        for recording in ONE, TWO, OTHER:
            self.queries.put(recording)

    def test_recordings_of_a_server_are_listed_the_newest_first(self) -> None:
        self.assertEqual([TWO, ONE], self.queries.list('server', 10))
        self.assertEqual([TWO], self.queries.list('server', 1))
        self.assertEqual([], self.queries.list('unknown', 10))

    def test_recording_is_found_on_its_server_alone(self) -> None:
        self.assertEqual(ONE, self.queries.find('server', 'one'))
        self.assertIsNone(self.queries.find('elsewhere', 'one'))
        self.assertIsNone(self.queries.find('server', 'unknown'))

    def test_recording_is_replaced(self) -> None:
        ended = dataclasses.replace(
            ONE, size=200, duration=7, state=RecordingState.COMPLETE
        )
        self.queries.put(ended)
        self.assertEqual(ended, self.queries.find('server', 'one'))
        self.assertEqual(
            {'one': (200, True), 'two': (100, False), 'other': (100, False)},
            self.queries.sizes(),
        )

    def test_recordings_are_deleted(self) -> None:
        self.queries.delete([])
        self.queries.delete(['one', 'other', 'unknown'])
        self.assertEqual({'two'}, self.queries.sizes().keys())


class RecordingsTest(OnSQLite, Recordings, testtools.TestCase):
    pass
