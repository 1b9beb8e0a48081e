# SPDX-License-Identifier: Apache-2.0

"""The recordings of a server, over HTTP."""

import json
import logging
import pathlib
import shutil

import fixtures as fixtures_
import testtools
import webob

from console_svc.tests import fixtures, recordings

PATH = f'/v2.1/servers/{fixtures.SERVER}/console-recordings'
MANAGER = 'mia:demo:manager'
STRANGER = 'max:other:manager,member,reader'


class RecordingsTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.api = self.useFixture(fixtures.Api())
        self.audit = self.useFixture(
            fixtures_.FakeLogger('console_svc.audit', logging.INFO)
        )
        self.recording_id = recordings.add(self.api)
        self.folder = pathlib.Path(self.api.conf.recording.directory)

    def get(self, path: str = '', **more: str) -> webob.Response:
        more.setdefault('token', MANAGER)
        return self.api.request('GET', PATH + path, **more)

    def content(self, **more: str) -> webob.Response:
        return self.get(f'/{self.recording_id}/content', **more)

    def events(self) -> list[dict[str, str]]:
        """The audit events, but for those of another resource."""
        events = map(json.loads, self.audit.output.splitlines())
        return [it for it in events if it['name'].startswith('console_rec')]

    def test_recordings_of_the_server_alone_are_listed(self) -> None:
        recordings.add(self.api, fixtures.STOPPED)
        (listed,) = self.get().json['console_recordings']
        self.assertEqual(self.recording_id, listed['id'])
        shown = self.get(f'/{self.recording_id}').json['console_recording']
        self.assertEqual(listed, shown)

    def test_content_is_an_asciicast(self) -> None:
        answer = self.content()
        self.assertEqual('application/x-asciicast', answer.content_type)
        lines = [json.loads(it) for it in answer.body.splitlines()]
        self.assertEqual(2, lines[0]['version'])
        self.assertEqual(['one', 'two', 'three'], [it[2] for it in lines[1:]])
        self.assertEqual(len(answer.body), answer.content_length)

    def test_each_reading_is_in_the_audit(self) -> None:
        self.get()
        self.get(f'/{self.recording_id}')
        self.assertEqual([], self.events())
        self.content()
        (event,) = self.events()
        self.assertEqual(
            ('console_recording.read', 'read', 'success'),
            (event['name'], event['action'], event['outcome']),
        )
        self.assertEqual(self.recording_id, event['target']['recording_id'])
        self.assertEqual(recordings.SESSION, event['target']['session_id'])
        self.assertEqual(fixtures.SERVER, event['target']['id'])
        self.assertEqual('mia', event['initiator']['id'])

    def test_ranges_can_be_read(self) -> None:
        whole = self.content().body
        size = len(whole)
        for wanted, first, last in (
            ('0-0', 0, 1),
            ('5-99', 5, 100),
            (f'{size - 3}-', size - 3, size),
            ('-7', size - 7, size),
            ('3-999999', 3, size),
        ):
            answer = self.content(Range=f'bytes={wanted}')
            self.assertEqual(206, answer.status_int)
            self.assertEqual(whole[first:last], answer.body)
            self.assertEqual(
                f'bytes {first}-{last - 1}/{size}',
                answer.headers['Content-Range'],
            )
        answer = self.content(Range=f'bytes={size}-')
        self.assertEqual(416, answer.status_int)

    def test_recordings_of_other_projects_do_not_exist(self) -> None:
        for path in (
            '',
            f'/{self.recording_id}',
            f'/{self.recording_id}/content',
        ):
            answer = self.get(path, token=STRANGER)
            self.assertEqual(404, answer.status_int)
        other = f'/v2.1/servers/{fixtures.STOPPED}/console-recordings'
        for path in '', '/content':
            answer = self.api.request(
                'GET',
                f'{other}/{self.recording_id}{path}',
                token=fixtures.ADMIN,
            )
            self.assertEqual(404, answer.status_int)
        self.assertEqual([], self.events())

    def test_recording_is_deleted(self) -> None:
        answer = self.api.request(
            'DELETE', f'{PATH}/{self.recording_id}', MANAGER
        )
        self.assertEqual(204, answer.status_int)
        self.assertEqual([], self.get().json['console_recordings'])
        self.assertEqual([], [*self.folder.iterdir()])
        self.assertEqual(404, self.content().status_int)
        (event,) = self.events()
        self.assertEqual('console_recording.delete', event['name'])

    def test_recording_that_the_storage_has_lost_is_a_404(self) -> None:
        shutil.rmtree(self.folder)
        self.assertEqual(404, self.content().status_int)
        self.assertEqual([], self.events())

    def test_recording_that_cannot_be_read_is_a_503(self) -> None:
        (self.folder / f'{self.recording_id}.rec').write_bytes(b'')
        self.assertEqual(503, self.content().status_int)
        self.assertEqual([], self.events())
