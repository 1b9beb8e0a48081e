# SPDX-License-Identifier: Apache-2.0

"""Recordings that the proxy sends, with a server in the API's place."""

import asyncio
import json
import os
import pathlib
import threading
import uuid
from typing import Any
from unittest import mock

import fixtures as fixtures_
from cryptography.fernet import Fernet
from oslo_config import cfg
from websockets.datastructures import Headers

from console_svc.proxy import recording
from console_svc.proxy.errors import ApiUnavailable, InvalidToken
from console_svc.proxy.http.messages import (
    PIECE,
    Incomplete,
    Request,
    Response,
)
from console_svc.proxy.playback import Playback
from console_svc.proxy.recording_reads import RecordingReads
from console_svc.recordings import formats, storage
from console_svc.recordings.keys import Keys
from console_svc.tests import fixtures
from console_svc.tests.integration.stub import Answer
from console_svc.tests.unit.proxy.api import ADDRESS, TOKEN, ApiTest

READ = {
    'recording_id': str(uuid.UUID(int=1)),
    'server_id': fixtures.SERVER,
    'project_id': 'demo',
    'console_type': 'serial',
    'started_at': 1795687200,
}
HEAD = {'server_id': fixtures.SERVER, 'started_at': 0}


class PlaybackCase(ApiTest):
    def setUp(self) -> None:
        super().setUp()
        self.answer = Answer(201, {'console_recording_read': READ})
        folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
        self.folder = folder / 'recordings'
        self.folder.mkdir()
        self.key_file = folder / 'keys'
        self.key_file.write_text(Fernet.generate_key().decode())
        self.conf = self.configured()
        self.playback = Playback(self.conf, self.api)

    def configured(self, **options: Any) -> cfg.ConfigOpts:
        """A configuration with other options of [recording]."""
        return self.useFixture(
            fixtures.Configuration(
                recording={
                    'directory': self.folder,
                    'key_file': self.key_file,
                    'min_free': 0,
                    **options,
                }
            )
        ).conf

    def respond(self, method: str, path: str) -> Answer:
        if path.endswith('/console-recording-reads'):
            return self.answer
        return super().respond(method, path)

    def record(
        self, *output: bytes, console_type: str = 'serial', number: int = 1
    ) -> None:
        """Store a recording, with a piece for each output."""
        recording_id = str(uuid.UUID(int=number))
        key = Keys(self.conf).new(recording_id)
        writer = formats.OF_TYPES[console_type].writer(key, HEAD)
        stored = storage.load(self.conf)
        sink = stored.create(recording_id, writer.start())
        for time, data in enumerate(output):
            writer.output(time * 1_000_000, data)
            sink.append(writer.cut())
        sink.append(writer.end(len(output) * 1_000_000, 'The end.'))
        sink.finish()

    def get(
        self,
        playback: Playback | None = None,
        method: str = 'GET',
        **headers: str,
    ) -> Response:
        headers = {'Authorization': f'Bearer {TOKEN}', **headers}
        request = Request(
            method, '/recording', '1.1', Headers(headers), ADDRESS, False
        )
        return self.run_((playback or self.playback).get(request, ADDRESS))

    def content(self, response: Response) -> bytes:
        """The body of a response, which is closed then."""
        assert not isinstance(response.body, bytes)

        async def read() -> bytes:
            pieces = [it async for it in response.pieces()]
            self.assertTrue(all(len(it) <= PIECE for it in pieces))
            return b''.join(pieces)

        try:
            return self.run_(read())
        finally:
            response.body.close()

    def check_fault(
        self, response: Response, status: int, message: str
    ) -> None:
        assert isinstance(response.body, bytes)
        (fault,) = json.loads(response.body).values()
        self.assertEqual(status, response.status)
        self.assertEqual(status, fault['code'])
        self.assertIn(message, fault['message'])
        self.assertEqual('no-store', response.headers['Cache-Control'])
        self.assertEqual('application/json', response.headers['Content-Type'])

    def reads(self) -> int:
        """The number of requests to the API for a recording."""
        return len(self.sent('POST'))


class PlaybackTest(PlaybackCase):
    def test_serial_recording_is_sent(self) -> None:
        output = 'é'.encode() * 300_000
        self.record(b'a', output)
        response = self.get()
        self.assertEqual(200, response.status)
        self.assertEqual(
            {
                'Content-Type': 'application/x-asciicast',
                'Cache-Control': 'no-store',
                'Recording-Server': fixtures.SERVER,
                'Recording-Started-At': '1795687200',
            },
            response.headers,
        )
        self.assertIsNone(response.length)
        lines = self.content(response).decode().splitlines()
        self.assertEqual(2, json.loads(lines[0])['version'])
        text = ''.join(json.loads(it)[2] for it in lines[1:])
        self.assertEqual(b'a' + output, text.encode())
        sent = json.loads(self.stub.bodies[-1])
        self.assertEqual(
            {
                'console_recording_read': {
                    'token': TOKEN,
                    'client_address': ADDRESS,
                }
            },
            sent,
        )
        self.assertNotIn(TOKEN, self.log.output)
        self.assertIn(READ['recording_id'], self.log.output)

    def test_vnc_recording_is_sent(self) -> None:
        self.record(bytes(24), b'x', console_type='novnc')
        response = self.get()
        self.assertEqual('application/x-fbs', response.headers['Content-Type'])
        content = self.content(response)
        self.assertTrue(content.startswith(b'FBS 001.000\n'))
        self.assertTrue(content.endswith(b'x\0\0\0\0\0\x03\xe8'))

    def test_requests_without_a_token_are_refused(self) -> None:
        self.record(b'x')
        for value in ('', 'Bearer', f'Basic {TOKEN}', f'Bearer {TOKEN} x'):
            response = self.get(Authorization=value)
            self.check_fault(response, 401, 'no token')
            self.assertEqual('Bearer', response.headers['WWW-Authenticate'])
        for value in (f'bearer {TOKEN}', f'Bearer  {TOKEN}'):
            self.content(self.get(Authorization=value))

    def test_unknown_token_is_refused_and_remembered(self) -> None:
        self.record(b'x')
        self.answer = Answer(
            404, {'itemNotFound': {'code': 404, 'message': 'x'}}
        )
        for _ in range(2):
            self.check_fault(self.get(), 404, 'has expired')
        self.assertEqual(1, self.reads())
        self.check_fault(self.get(Authorization='Bearer x'), 404, 'expired')
        self.assertEqual(1, self.reads())

    def test_only_get_reads(self) -> None:
        self.record(b'x')
        for method in ('HEAD', 'POST', 'OPTIONS'):
            response = self.get(method=method)
            self.check_fault(response, 405, 'GET')
            self.assertEqual('GET', response.headers['Allow'])
        self.assertEqual(0, self.reads())

    def test_recording_that_was_deleted(self) -> None:
        self.check_fault(self.get(), 404, 'deleted')
        self.record(b'x')
        self.content(self.get())

    def test_outages_of_the_api(self) -> None:
        self.record(b'x')
        for answer in (
            Answer(500, {'computeFault': {'code': 500, 'message': 'x'}}),
            Answer(403, {'forbidden': {'code': 403, 'message': 'x'}}),
            Answer(is_lost=True),
            Answer(201, {'console_recording_read': []}),
            Answer(201, {'console_recording_read': {**READ, 'server_id': 1}}),
            Answer(
                201, {'console_recording_read': {**READ, 'started_at': 'x'}}
            ),
            Answer(201, b'<html>'),
        ):
            self.answer = answer
            response = self.get()
            self.check_fault(response, 503, 'service is unavailable')
            self.assertEqual('10', response.headers['Retry-After'])
        self.answer = Answer(201, {'console_recording_read': READ})
        self.content(self.get())

    def test_outage_of_the_storage(self) -> None:
        self.record(b'x')
        (file,) = self.folder.iterdir()
        file.rename(file.with_suffix('.other'))
        file.symlink_to(file.with_suffix('.other'))
        # Symbolic links are not followed: ELOOP.
        self.check_fault(self.get(), 503, 'storage')
        self.assertIn('cannot be played', self.log.output)

    def test_damaged_recording(self) -> None:
        self.record(b'x')
        (file,) = self.folder.iterdir()
        file.write_bytes(b'x' * 100)
        self.check_fault(self.get(), 500, 'damaged')

    def test_missing_key(self) -> None:
        self.record(b'x')
        self.key_file.write_text(Fernet.generate_key().decode())
        other = Playback(self.configured(), self.api)
        self.check_fault(self.get(other), 500, 'key')

    def test_proxy_without_recordings(self) -> None:
        self.record(b'x')
        for options in (
            {'key_file': self.key_file.parent / 'missing'},
            {'storage': 'missing'},
        ):
            other = Playback(self.configured(**options), self.api)
            self.check_fault(self.get(other), 404, 'no recordings')
        # The API would count a reading.
        self.assertEqual(0, self.reads())

    def test_storage_that_fails_later(self) -> None:
        self.record(b'x', b'y')
        response = self.get()
        with mock.patch('os.pread', side_effect=OSError('broken')):
            self.assertRaises(Incomplete, self.content, response)
        self.assertIn('broken', self.log.output)
        self.check_closed()

    def test_slow_storage_times_out(self) -> None:
        self.record(b'x')
        response = self.get()
        pread, done = os.pread, threading.Event()
        # A thread that waits for a test that has failed would never end.
        self.addCleanup(done.set)

        def slow(*arguments: int) -> bytes:
            done.wait()
            return pread(*arguments)

        with (
            mock.patch('os.pread', slow),
            mock.patch.object(recording, '_TIMEOUT', 0.01),
        ):
            self.assertRaises(Incomplete, self.content, response)
            self.assertIn('timed out', self.log.output)
            # The thread still reads: the file must not be closed.
            self.assertEqual(1, len(self.open_files()))
            done.set()
            self.check_closed()

    def test_number_of_recordings_is_limited(self) -> None:
        self.record(b'x')
        responses = [self.get() for _ in range(16)]
        self.check_fault(self.get(), 503, 'Too many')
        self.assertEqual(16, self.reads())
        self.content(responses.pop())
        responses.append(self.get())
        for response in responses:
            self.content(response)
        self.check_closed()

    def test_refused_recordings_take_no_place(self) -> None:
        for _ in range(17):
            self.check_fault(self.get(), 404, 'deleted')

    def test_recording_that_is_not_read_to_its_end_is_closed(self) -> None:
        self.record(b'x', b'y')
        response = self.get()
        assert not isinstance(response.body, bytes)
        self.run_(response.body.read())
        self.assertEqual(1, len(self.open_files()))
        response.body.close()
        self.check_closed()

    def open_files(self) -> list[str]:
        """The files of the storage that this process has open."""
        found = []
        for link in pathlib.Path('/proc/self/fd').iterdir():
            try:
                target = os.readlink(link)
            except FileNotFoundError:
                continue
            if target.startswith(str(self.folder)):
                found.append(target)
        return found

    def check_closed(self) -> None:
        """Wait until no recording is open."""

        async def wait() -> None:
            while self.open_files():
                await asyncio.sleep(0.01)

        self.run_(wait())


class RecordingReadsTest(PlaybackCase):
    def test_unavailable_api_is_not_a_wrong_token(self) -> None:
        reads = RecordingReads(self.conf, self.api._client)
        self.answer = Answer(500)
        self.assertRaises(
            ApiUnavailable, self.run_, reads.read(TOKEN, ADDRESS)
        )
        self.answer = Answer(404, {'itemNotFound': {}})
        self.assertRaises(InvalidToken, self.run_, reads.read(TOKEN, ADDRESS))
