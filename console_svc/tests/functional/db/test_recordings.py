# SPDX-License-Identifier: Apache-2.0

"""Queries of the index of recordings."""

import dataclasses

import testtools

from console_svc import exception
from console_svc.recorded import (
    RecordedSession,
    RecordingAccess,
    RecordingState,
)
from console_svc.tests.functional.db.base import NOW, OnSQLite, Queries

ONE = RecordedSession(
    id='one',
    session_id='session',
    server_id='server',
    project_id='demo',
    user_id='joe',
    console_type='serial',
    client_address='198.51.100.7',
    format='asciicast-2',
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

    def test_pages_of_a_server_are_listed(self) -> None:
        # Some have the same second.
        expected = [TWO, ONE]
        for number in range(9, 0, -1):
            added = dataclasses.replace(
                ONE, id=f'more-{number}', started_at=NOW - 9 + number // 2
            )
            self.queries.put(added)
            expected.append(added)
        found = self.queries.list('server', 3)
        while page := self.queries.list('server', 3, found[-1].id):
            found += page
        self.assertEqual(expected, found)

    def test_markers_of_other_servers_are_refused(self) -> None:
        for marker in ('other', 'unknown'):
            self.assertRaises(
                exception.MarkerNotFound,
                self.queries.list,
                'server',
                3,
                marker,
            )

    def test_project_is_that_of_the_newest_recording(self) -> None:
        self.assertIsNone(self.queries.get_project('server'))
        self.assertEqual('demo', self.queries.get_project('elsewhere'))
        self.assertIsNone(self.queries.get_project('unknown'))

    def test_recordings_of_sessions_are_found(self) -> None:
        self.queries.put(
            dataclasses.replace(ONE, id='third', session_id='another')
        )
        self.queries.delete(['two', 'other'])
        self.assertEqual(
            {'session': 'one', 'another': 'third'},
            self.queries.of_sessions(['session', 'another', 'unknown']),
        )
        self.assertEqual({}, self.queries.of_sessions([]))

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


class RecordingAccesses(Queries):
    def setUp(self) -> None:
        super().setUp()
        self.queries = self.database.recording_accesses
        self.database.recordings.put(ONE)
        self.access = RecordingAccess('hash', 'one', 'mia', NOW)
        self.queries.create(self.access)

    def test_access_is_found_until_it_expires(self) -> None:
        self.assertEqual(
            (self.access, ONE), self.queries.find('hash', NOW - 1)
        )
        self.assertIsNone(self.queries.find('hash', NOW))
        self.assertIsNone(self.queries.find('unknown', NOW - 1))

    def test_access_to_a_deleted_recording_is_not_found(self) -> None:
        self.database.recordings.delete(['one'])
        self.assertIsNone(self.queries.find('hash', NOW - 1))

    def test_expired_accesses_are_purged(self) -> None:
        for number in range(3):
            self.queries.create(
                RecordingAccess(f'{number}', 'one', None, NOW + number)
            )
        self.assertEqual(0, self.queries.purge(NOW - 1, 10))
        self.assertEqual(1, self.queries.purge(NOW + 1, 1))
        self.assertEqual(2, self.queries.purge(NOW + 1, 10))
        self.assertIsNotNone(self.queries.find('2', NOW))


class RecordingAccessesTest(OnSQLite, RecordingAccesses, testtools.TestCase):
    pass


class RecordingsTest(OnSQLite, Recordings, testtools.TestCase):
    pass
