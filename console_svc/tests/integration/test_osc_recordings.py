# SPDX-License-Identifier: Apache-2.0

"""``openstack console recording``, with a service that has recordings."""

import json
import os
import pathlib
import signal
import stat
import subprocess

import fixtures as fixtures_
import testtools

from console_svc.tests import fixtures, recordings
from console_svc.tests.integration.test_osc_attach import Attached
from console_svc.tests.programs import process
from console_svc.tests.programs.service import Service

MANAGER = 'mia:demo:manager'
COMMAND = ('console', 'recording')


class RecordingsTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.service = self.useFixture(Service(api={'recordings': True}))
        self.folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
        self.recording_id = recordings.add(self.service)

    def openstack(
        self, name: str, *arguments: str, token: str = MANAGER
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *(process.program('openstack'), *COMMAND, name),
                *(fixtures.SERVER, *arguments),
            ],
            cwd=self.folder,
            env={
                **os.environ,
                'OS_AUTH_TYPE': 'admin_token',
                'OS_TOKEN': token,
                'OS_ENDPOINT': f'{self.service.url}/v2.1',
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def output(self, name: str, *arguments: str) -> str:
        done = self.openstack(name, *arguments)
        self.assertEqual((0, ''), (done.returncode, done.stderr))
        return done.stdout

    def play(self, *arguments: str) -> Attached:
        return Attached(
            self,
            command=(
                *(*COMMAND, 'play', fixtures.SERVER, self.recording_id),
                *arguments,
            ),
            token=MANAGER,
        )

    def test_list_show_and_delete(self) -> None:
        (listed,) = json.loads(self.output('list', '--long', '-f', 'json'))
        self.assertEqual(
            (self.recording_id, 'serial', 3, 'complete', 'asciicast-2'),
            tuple(
                listed[it]
                for it in ('ID', 'Console Type', 'Duration', 'State', 'Format')
            ),
        )
        page = self.output('list', '--marker', self.recording_id, '-f', 'json')
        self.assertEqual([], json.loads(page))
        shown = json.loads(
            self.output('show', self.recording_id, '-f', 'json')
        )
        self.assertEqual(recordings.SESSION, shown['session_id'])
        done = self.openstack('delete', self.recording_id, fixtures.UNKNOWN)
        self.assertEqual(1, done.returncode)
        self.assertIn('1 of 2 recordings failed to delete.', done.stderr)
        self.assertEqual('[]', self.output('list', '-f', 'json').strip())

    def test_recording_is_saved(self) -> None:
        name = self.output('save', self.recording_id).strip()
        self.assertEqual(f'{self.recording_id}.cast', name)
        file = self.folder / name
        header, *events = map(json.loads, file.read_text().splitlines())
        self.assertEqual(2, header['version'])
        self.assertEqual(['one', 'two', 'three'], [it[2] for it in events])
        self.assertEqual(0o600, stat.S_IMODE(file.stat().st_mode))
        done = self.openstack('save', self.recording_id)
        self.assertEqual(1, done.returncode)
        self.assertIn('File exists', done.stderr)
        done = self.openstack(
            *('save', self.recording_id, '--file', 'x'), token=fixtures.MEMBER
        )
        self.assertEqual(1, done.returncode)
        self.assertIn('console_svc:console-recordings:index', done.stderr)
        self.assertEqual([file], [*self.folder.iterdir()])

    def test_recording_of_vnc_has_a_url(self) -> None:
        recording_id = recordings.add(self.service, console_type='novnc')
        url = self.output('play', recording_id).strip()
        self.assertRegex(
            url, r'^http://127\.0\.0\.1:6080/play\.html#token=[\w-]{43}$'
        )
        self.assertEqual(
            f'{recording_id}.fbs', self.output('save', recording_id).strip()
        )

    def test_recording_plays_in_the_terminal(self) -> None:
        played = self.play('--speed', '1000')
        played.see(b'onetwothree')
        self.assertEqual(0, played.end())
        self.assertTrue(played.is_restored)
        done = self.openstack('play', self.recording_id)
        self.assertEqual(1, done.returncode)
        self.assertIn('must be a terminal', done.stderr)

    def test_user_and_signals_end_it(self) -> None:
        for end in (
            lambda it: it.type(b'q'),
            lambda it: it.type(b'\x03'),
            lambda it: it.signal(signal.SIGTERM),
        ):
            # The second event comes after 1000 s.
            played = self.play('--speed', '0.001')
            played.see(b'one')
            end(played)
            self.assertEqual(0, played.end())
            self.assertNotIn(b'two', played.shown)
            self.assertTrue(played.is_restored)
