# SPDX-License-Identifier: Apache-2.0

"""Recordings over HTTP: a proxy, with a stub in the API's place."""

import http.client
import os
import pathlib
import socket
import tempfile
import uuid
from typing import ClassVar

import fixtures as fixtures_
import testtools
from cryptography.fernet import Fernet
from oslo_config import cfg

from console_svc.recordings import formats, storage
from console_svc.recordings.keys import Keys
from console_svc.tests import fixtures
from console_svc.tests.integration.stub import Answer, Stub
from console_svc.tests.programs import process
from console_svc.tests.programs.proxy import Proxy

TOKEN = 'oV8rRZ0mQ2nYwTt3b1aXcFh5kLs7uEiJpD9gGqNvMxw'
RECORDING = str(uuid.UUID(int=1))
READ = {
    'recording_id': RECORDING,
    'server_id': fixtures.SERVER,
    'started_at': 1795687200,
}

#: More than the buffers of both ends of a connection.
LARGE = 24 * 2**20


class PlaybackTest(testtools.TestCase):
    """One proxy for all tests, with a limit of a second for slow clients."""

    answer: ClassVar[Answer]
    folder: ClassVar[pathlib.Path]
    conf: ClassVar[cfg.ConfigOpts]
    proxy: ClassVar[Proxy]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()

        def use(fixture: fixtures_.Fixture) -> None:
            fixture.setUp()
            cls.addClassCleanup(fixture.cleanUp)

        stub = Stub(lambda *_: cls.answer)
        use(stub)
        folder = pathlib.Path(
            cls.enterClassContext(tempfile.TemporaryDirectory())
        )
        cls.folder = folder / 'recordings'
        cls.folder.mkdir()
        (folder / 'keys').write_text(Fernet.generate_key().decode())
        # Recordings can be played where none are made.
        options = {
            'directory': cls.folder,
            'key_file': folder / 'keys',
            'min_free': 0,
        }
        configured = fixtures.Configuration(recording=options)
        use(configured)
        cls.conf = configured.conf
        cls.proxy = Proxy(
            None,
            {
                'auth_type': 'admin_token',
                'token': fixtures.SERVICE,
                'endpoint': f'{stub.url}/v2.1',
            },
            recording=options,
            handshake_timeout=1,
        )
        use(cls.proxy)

    def setUp(self) -> None:
        super().setUp()
        type(self).answer = Answer(201, {'console_recording_read': READ})
        self.addCleanup(storage.load(self.conf).delete, RECORDING)
        self.addCleanup(self.check_log)

    def check_log(self) -> None:
        log = self.proxy.log.read_text()
        for secret in (TOKEN, 'Traceback'):
            self.assertNotIn(secret, log)

    def record(self, data: bytes) -> bytes:
        """Store a VNC recording; its file."""
        key = Keys(self.conf).new(RECORDING)
        writer = formats.OF_TYPES['novnc'].writer(key, {})
        stored = storage.load(self.conf)
        sink = stored.create(RECORDING, writer.start())
        writer.output(0, data)
        sink.append(writer.cut())
        sink.append(writer.end(0, 'The end.'))
        sink.finish()
        with stored.open(RECORDING) as source:
            return b''.join(formats.parts(source, key))

    def connection(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(
            '127.0.0.1', self.proxy.port, timeout=process.PATIENCE
        )
        self.addCleanup(connection.close)
        return connection

    def request(self, version: str) -> socket.socket:
        """Ask for the recording, and read nothing."""
        connection = socket.socket()
        self.addCleanup(connection.close)
        # Before connect(): TCP agrees on the size of its window then.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(process.PATIENCE)
        connection.connect(('127.0.0.1', self.proxy.port))
        connection.sendall(
            f'GET /recording HTTP/{version}\r\nHost: x\r\n'
            f'Authorization: Bearer {TOKEN}\r\n\r\n'.encode()
        )
        return connection

    def open_recordings(self) -> int:
        """The number of recordings that the worker has open."""
        (worker,) = process.children(self.proxy.process.pid)
        found = 0
        for link in pathlib.Path(f'/proc/{worker}/fd').iterdir():
            try:
                found += os.readlink(link).startswith(str(self.folder))
            except FileNotFoundError:
                continue
        return found

    def test_recording_comes_in_chunks(self) -> None:
        file = self.record(os.urandom(LARGE))
        connection = self.connection()
        for _ in range(2):
            connection.request(
                'GET',
                '/recording',
                headers={'Authorization': f'Bearer {TOKEN}'},
            )
            answer = connection.getresponse()
            self.assertEqual(200, answer.status)
            self.assertEqual('chunked', answer.headers['Transfer-Encoding'])
            self.assertNotIn('Content-Length', answer.headers)
            self.assertEqual('no-store', answer.headers['Cache-Control'])
            self.assertEqual(
                'nosniff', answer.headers['X-Content-Type-Options']
            )
            self.assertEqual(file, answer.read())
        # On the same connection.
        connection.request('GET', '/play.html')
        answer = connection.getresponse()
        self.assertEqual(200, answer.status)
        self.assertIn(b'console/play.js', answer.read())

    def test_http_1_0_gets_the_file_without_chunks(self) -> None:
        file = self.record(b'x' * 100_000)
        received = self.request('1.0').makefile('rb').read()
        head, _, body = received.partition(b'\r\n\r\n')
        self.assertIn(b' 200 ', head)
        self.assertEqual(file, body)

    def test_client_that_does_not_read_is_disconnected(self) -> None:
        self.record(os.urandom(LARGE))
        connection = self.request('1.1')
        process.wait_for(lambda: self.open_recordings(), 'the recording')
        process.wait_for(
            lambda: not self.open_recordings(), 'the end of the time-out'
        )
        received = 0
        while data := connection.recv(65536):
            received += len(data)
        # What was on its way, without an end.
        self.assertLess(received, LARGE)

    def test_client_that_closes_frees_the_recording(self) -> None:
        self.record(os.urandom(LARGE))
        connection = self.request('1.1')
        process.wait_for(lambda: self.open_recordings(), 'the recording')
        connection.close()
        process.wait_for(lambda: not self.open_recordings(), 'the close')

    def test_recording_needs_a_valid_token(self) -> None:
        self.record(b'x')
        type(self).answer = Answer(
            404, {'itemNotFound': {'code': 404, 'message': 'x'}}
        )
        for headers, status in (
            ({}, 401),
            ({'Authorization': f'Bearer {TOKEN}'}, 404),
        ):
            connection = self.connection()
            connection.request('GET', '/recording?x=1', headers=headers)
            answer = connection.getresponse()
            self.assertEqual(status, answer.status)
            self.assertEqual(
                'application/json', answer.headers['Content-Type']
            )
            answer.read()
