# SPDX-License-Identifier: Apache-2.0

"""Sessions that the proxy records."""

import base64
import os
import random
import shutil
import signal

from console_svc.recordings.check import State
from console_svc.recordings.keeping import Keeping
from console_svc.recordings.keys import Keys
from console_svc.tests import fixtures
from console_svc.tests.functional.proxy.recording import RecordedTest
from console_svc.tests.programs import consoles, process

# TRY_AGAIN_LATER: a page connects again.
NOT_RECORDED = (
    1013,
    'Sessions must be recorded, and this one cannot be at the moment.',
)


class RecordingTest(RecordedTest):
    def test_output_is_recorded(self) -> None:
        self.record()
        connection = self.connect()
        self.check_echo(connection, 'één'.encode())
        (session,) = self.sessions()
        self.check_echo(connection, b'two')
        connection.close()
        stored = self.stored()
        self.assertEqual('ééntwo', stored['o'])
        self.assertEqual('', stored['i'])
        self.assertEqual(State.COMPLETE, stored['state'])
        self.assertEqual(sorted(stored['times']), stored['times'])
        for name in (
            'project_id',
            'user_id',
            'client_address',
            'console_type',
        ):
            self.assertEqual(session[name], stored['head'][name])
        self.assertEqual(session['id'], stored['head']['session_id'])
        self.assertEqual(fixtures.SERVER, stored['head']['server_id'])
        self.assertEqual({'started': 1}, self.outcomes())

    def test_input_is_recorded_if_it_should_be(self) -> None:
        self.record(record_input=True)
        connection = self.connect()
        self.check_echo(connection, b'hi')
        connection.close()
        stored = self.stored()
        self.assertEqual(('hi', 'hi'), (stored['i'], stored['o']))

    def test_large_output_is_whole(self) -> None:
        self.record()
        size = 3_000_000
        self.console(
            lambda it: (it.sendall(b'\x1b' * size), consoles.hang(it))
        )
        connection = self.connect()
        got = 0
        while got < size:
            got += len(connection.recv(process.PATIENCE))
        connection.close()
        self.assertEqual('\x1b' * size, self.stored()['o'])

    def test_reason_of_the_end_is_recorded(self) -> None:
        self.record()
        connection = self.connect()
        self.check_echo(connection)
        self.end(self.sessions()[0])
        self.closed(connection)
        self.assertEqual('The session was ended.', self.stored()['reason'])

    def test_drain_finishes_recordings(self) -> None:
        self.record(mode='required', proxy={'drain_timeout': 0})
        self.check_echo(self.connect(), b'hi')
        self.proxy.process.signal(signal.SIGTERM)
        self.assertEqual(0, self.proxy.process.wait())
        stored = self.stored()
        self.assertEqual('hi', stored['o'])
        self.assertEqual(State.COMPLETE, stored['state'])

    def test_recording_of_a_killed_worker_is_completed(self) -> None:
        self.record()
        connection = self.connect()
        self.check_echo(connection, b'before')
        process.wait_for(lambda: self.is_written(b'before'), 'the piece')
        (worker,) = process.children(self.proxy.process.pid)
        os.kill(worker, signal.SIGKILL)
        stored = self.stored()
        self.assertEqual('before', stored['o'])
        self.assertEqual(State.INTERRUPTED, stored['state'])

    def test_required_recording_that_cannot_be_created_refuses(self) -> None:
        self.record(mode='required')
        shutil.rmtree(self.folder)
        self.assertEqual(NOT_RECORDED, self.refused(f'?token={self.token()}'))
        self.assertEqual({'failed': 1}, self.outcomes())
        self.wait_for_no_session()
        # It is tried again for each session.
        self.folder.mkdir()
        self.check_echo(self.connect())

    def test_required_recording_on_a_full_disk_refuses(self) -> None:
        self.record(mode='required', min_free=2**40)
        self.assertEqual(NOT_RECORDED, self.refused(f'?token={self.token()}'))
        self.assertIn(
            'Less than [recording] min_free is left',
            self.proxy.log.read_text(),
        )

    def test_session_ends_with_its_required_recording(self) -> None:
        self.record(mode='required', min_free=1)
        connection = self.connect()
        self.check_echo(connection)
        # The free space can no longer be checked.
        shutil.rmtree(self.folder)
        connection.send(b'more')
        self.assertEqual(NOT_RECORDED, self.closed(connection))
        self.assertEqual({'started': 1, 'failed': 1}, self.outcomes())
        self.assertIn(
            'ends, because its recording', self.proxy.log.read_text()
        )

    def test_session_ends_when_its_recording_cannot_grow(self) -> None:
        """A piece is written in part. What was whole before is completed."""
        limited = 'ulimit -f 64 && exec console-svc-proxy "$@"'
        self.record(
            mode='required',
            proxy={'command': ('bash', '-c', limited, 'limited')},
        )
        connection = self.connect()
        self.check_echo(connection, b'first')
        process.wait_for(lambda: self.is_written(b'first'), 'the piece')
        # It hardly compresses: more than 64 KiB.
        text = base64.b64encode(random.Random(0).randbytes(90_000))
        connection.send(text)
        self.assertEqual(NOT_RECORDED, self.closed(connection))
        self.assertIn('File too large', self.proxy.log.read_text())
        # As a worker does each minute.
        Keeping(self.conf, self.storage, Keys(self.conf)).run(0)
        stored = self.stored()
        self.assertEqual(State.INTERRUPTED, stored['state'])
        self.assertEqual('first', stored['o'])

    def test_session_continues_without_its_optional_recording(self) -> None:
        self.record(min_free=1)
        connection = self.connect()
        self.check_echo(connection)
        shutil.rmtree(self.folder)
        self.check_echo(connection)
        process.wait_for(
            lambda: self.outcomes() == {'started': 1, 'failed': 1},
            'the recording to fail',
        )
        self.check_echo(connection)
        self.check_echo(self.connect())
        self.assertEqual({'started': 1, 'failed': 2}, self.outcomes())
        self.assertIn(
            'continues without its recording', self.proxy.log.read_text()
        )

    def test_other_types_are_refused_if_recordings_are_required(self) -> None:
        self.record(mode='required')
        self.console(kind='spice-html5')
        refusal = self.refused(f'?token={self.token("spice", "spice-html5")}')
        self.assertEqual(
            (
                1008,
                'Sessions must be recorded, and those of this console type '
                'cannot be.',
            ),
            refusal,
        )
        self.assertEqual({'refused': 1}, self.outcomes())

    def test_types_restrict_the_mode(self) -> None:
        self.record(mode='required', types='novnc')
        self.check_echo(self.connect())
        self.assertEqual([], [*self.storage.entries()])
        self.assertEqual({}, self.outcomes())

    def test_without_a_mode_nothing_is_recorded(self) -> None:
        self.record(mode='off')
        self.check_echo(self.connect())
        self.assertFalse(self.folder.exists())
