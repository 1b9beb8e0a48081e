# SPDX-License-Identifier: Apache-2.0

"""The recordings of a server, over HTTP."""

import json
import logging
import pathlib
import shutil
from typing import Any

import fixtures as fixtures_
import testtools
import webob

from console_svc.tests import fixtures, recordings
from console_svc.tests.functional.openapi import Document

PATH = f'/v2.1/servers/{fixtures.SERVER}/console-recordings'
READS = '/v2.1/console-recording-reads'
MANAGER = 'mia:demo:manager'
MEMBER = 'joe:demo:member,reader'
STRANGER = 'max:other:manager,member,reader'


class Case(testtools.TestCase):
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

    def access(self, **more: str) -> webob.Response:
        more.setdefault('token', MANAGER)
        path = f'{PATH}/{self.recording_id}/access'
        return self.api.request('POST', path, **more)

    def events(self) -> list[dict[str, Any]]:
        """The audit events of recordings."""
        events = map(json.loads, self.audit.output.splitlines())
        return [it for it in events if it['name'].startswith('console_rec')]


class RecordingsTest(Case):
    def test_recordings_of_the_server_alone_are_listed(self) -> None:
        recordings.add(self.api, server_id=fixtures.STOPPED)
        (listed,) = self.get().json['console_recordings']
        self.assertEqual(self.recording_id, listed['id'])
        shown = self.get(f'/{self.recording_id}').json['console_recording']
        self.assertEqual(listed, shown)

    def test_long_lists_have_pages(self) -> None:
        later = [
            recordings.add(self.api, started_at=1795521600 + second)
            # Two have the same second as the first one.
            for second in (0, 0, 1, 2)
        ]
        found: list[str] = []
        url = f'{PATH}?limit=2'
        while url:
            answer = self.api.request('GET', url, token=MANAGER)
            page = [it['id'] for it in answer.json['console_recordings']]
            self.assertLessEqual(len(page), 2)
            found += page
            links = answer.json.get('console_recordings_links')
            url = links[0]['href'] if links else ''
        self.assertEqual({self.recording_id, *later}, {*found})
        self.assertEqual(5, len(found))
        self.assertEqual(later[:1:-1], found[:2])

    def test_wrong_parameters_of_lists_are_refused(self) -> None:
        for query in (
            'limit=x',
            'marker=x',
            f'marker={fixtures.UNKNOWN}',
            f'marker={recordings.add(self.api, server_id=fixtures.STOPPED)}',
        ):
            self.assertEqual(400, self.get(f'?{query}').status_int, query)

    def test_content_of_a_serial_console_is_an_asciicast(self) -> None:
        answer = self.content()
        self.assertEqual('application/x-asciicast', answer.content_type)
        lines = [json.loads(it) for it in answer.body.splitlines()]
        self.assertEqual(2, lines[0]['version'])
        self.assertEqual(['one', 'two', 'three'], [it[2] for it in lines[1:]])
        self.assertEqual(len(answer.body), answer.content_length)

    def test_content_of_vnc_is_an_fbs_file(self) -> None:
        self.recording_id = recordings.add(self.api, console_type='novnc')
        answer = self.content()
        self.assertEqual('application/x-fbs', answer.content_type)
        self.assertTrue(answer.body.startswith(b'FBS 001.000\n'))
        self.assertEqual(len(answer.body), answer.content_length)
        shown = self.get(f'/{self.recording_id}').json['console_recording']
        self.assertEqual('fbs-1', shown['format'])

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
        of_theirs = f'/{self.recording_id}'
        for path in ('', of_theirs, f'{of_theirs}/content'):
            answer = self.get(path, token=STRANGER)
            self.assertEqual(404, answer.status_int)
        self.assertEqual(404, self.access(token=STRANGER).status_int)
        answer = self.api.request('DELETE', PATH + of_theirs, STRANGER)
        self.assertEqual(404, answer.status_int)
        self.assertEqual([], self.events())
        self.assertEqual(200, self.content().status_int)

    def test_recordings_of_other_servers_do_not_exist(self) -> None:
        other = f'/v2.1/servers/{fixtures.STOPPED}/console-recordings'
        for method, path in (
            ('GET', ''),
            ('GET', '/content'),
            ('POST', '/access'),
            ('DELETE', ''),
        ):
            for path_of, recording_id in (
                (other, self.recording_id),
                (PATH, fixtures.UNKNOWN),
                (PATH, 'nonsense%00'),
            ):
                answer = self.api.request(
                    method,
                    f'{path_of}/{recording_id}{path}',
                    token=fixtures.ADMIN,
                )
                self.assertEqual(404, answer.status_int)
        self.assertEqual([], self.events())

    def test_recordings_outlive_their_server(self) -> None:
        self.api.write_inventory({'servers': []})
        for path in ('', f'/{self.recording_id}'):
            for token, status in (
                (MANAGER, 200),
                (fixtures.ADMIN, 200),
                (MEMBER, 403),
                (STRANGER, 404),
            ):
                answer = self.get(path, token=token)
                self.assertEqual(status, answer.status_int, (path, token))
        self.assertEqual(200, self.content().status_int)
        self.assertEqual(201, self.access().status_int)
        answer = self.api.request(
            'GET',
            PATH.replace(fixtures.SERVER, fixtures.UNKNOWN),
            token=fixtures.ADMIN,
        )
        self.assertEqual(404, answer.status_int)

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
        log = self.useFixture(fixtures_.FakeLogger('console_svc.consoles'))
        (self.folder / f'{self.recording_id}.rec').write_bytes(b'')
        answer = self.content()
        self.assertEqual(503, answer.status_int)
        self.assertNotIn(str(self.folder), answer.text)
        self.assertIn(self.recording_id, log.output)
        self.assertEqual([], self.events())


class AccessTest(Case):
    def token(self) -> str:
        answer = self.access()
        self.assertEqual(201, answer.status_int)
        url, _, token = answer.json['access']['url'].partition('#token=')
        self.assertEqual('http://127.0.0.1:6080/play.html', url)
        return token

    def read(self, access: str, **more: str) -> webob.Response:
        wanted = {'token': access, 'client_address': '198.51.100.9'}
        more.setdefault('token', fixtures.SERVICE)
        return self.api.request(
            'POST',
            READS,
            body=json.dumps({'console_recording_read': wanted}),
            **more,
        )

    def test_proxy_may_read_with_the_token(self) -> None:
        token = self.token()
        for _ in range(2):
            self.assertEqual(
                {
                    'recording_id': self.recording_id,
                    'server_id': fixtures.SERVER,
                    'project_id': 'demo',
                    'console_type': 'serial',
                    'started_at': 1795521600,
                },
                self.read(token).json['console_recording_read'],
            )

    def test_users_may_not_ask(self) -> None:
        self.assertEqual(
            403, self.read(self.token(), token=MANAGER).status_int
        )

    def test_token_expires(self) -> None:
        self.api.conf.set_override('access_ttl', 1, 'recording')
        answer = self.access()
        token = answer.json['access']['url'].partition('#token=')[2]
        queries = self.api.database.recording_accesses
        expires = answer.json['access']['expires_at']
        self.assertEqual(1, queries.purge(expires, 10))
        self.assertEqual(404, self.read(token).status_int)

    def test_unknown_tokens_are_a_404(self) -> None:
        self.token()
        for token in ('unknown', 'ü', '\0', '\ud800'):
            answer = self.read(token)
            self.assertEqual(404, answer.status_int)
        refused = self.events()[-1]
        self.assertEqual(
            ('console_recording.read', 'failure'),
            (refused['name'], refused['outcome']),
        )

    def test_wrong_bodies_do_not_show_the_token(self) -> None:
        answer = self.read('x' * 256)
        self.assertEqual(400, answer.status_int)
        self.assertNotIn('xxx', answer.text)

    def test_tokens_of_deleted_recordings_are_a_404(self) -> None:
        token = self.token()
        self.api.request('DELETE', f'{PATH}/{self.recording_id}', MANAGER)
        self.assertEqual(404, self.read(token).status_int)

    def test_each_reading_is_in_the_audit_with_the_user(self) -> None:
        token = self.token()
        self.read(token)
        given, read = self.events()
        self.assertEqual('console_recording.give_access', given['name'])
        self.assertEqual('mia', given['initiator']['id'])
        self.assertEqual('console_recording.read', read['name'])
        self.assertEqual('proxy', read['initiator']['id'])
        self.assertEqual('mia', read['target']['user_id'])
        self.assertEqual('198.51.100.9', read['target']['client_address'])
        for event in given, read:
            self.assertEqual(
                self.recording_id, event['target']['recording_id']
            )
        self.assertEqual(given['target']['token'], read['target']['token'])
        self.assertNotIn(token, self.audit.output)


class OffTest(testtools.TestCase):
    def test_routes_that_are_off_are_a_404(self) -> None:
        api = self.useFixture(fixtures.Api(api={'recordings': False}))
        one = f'{PATH}/{fixtures.UNKNOWN}'
        for method, path in (
            ('GET', PATH),
            ('GET', one),
            ('DELETE', one),
            ('GET', f'{one}/content'),
            ('POST', f'{one}/access'),
            ('POST', READS),
            ('OPTIONS', PATH),
        ):
            answer = api.request(method, path, token=fixtures.ADMIN)
            self.assertEqual(404, answer.status_int, path)
            self.assertEqual(
                'The resource could not be found.',
                answer.json['itemNotFound']['message'],
            )
        self.assertEqual(
            [],
            [it for _, it in Document(api).operations() if 'record' in it],
        )
