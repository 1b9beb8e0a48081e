# SPDX-License-Identifier: Apache-2.0

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent import futures
from unittest import mock

import fixtures as fixtures_
import testtools

from console_svc.protocols import rfb
from console_svc.proxy import recording
from console_svc.proxy.recording import Recording
from console_svc.proxy.relaying import Receiver, Server
from console_svc.recordings import cast, check, fbs
from console_svc.recordings.check import Bytes
from console_svc.recordings.pieces import RecordingKey
from console_svc.recordings.storage import Sink
from console_svc.recordings.writer import Events, Writer
from console_svc.tests import fixtures
from console_svc.tests.programs import fbs as fbs_file
from console_svc.tests.programs import rfb_messages as messages
from console_svc.tests.programs.rfb_messages import (
    NOVNC,
    TIGERVNC,
    set_format,
)
from console_svc.tests.unit.recordings.test_fbs import server_init

KEY = RecordingKey(b'k' * 32, 'one')
HEAD = {'server_id': 'x', 'started_at': 0}


class Memory(Sink):
    """A recording in memory; it can be slow, or fail."""

    def __init__(self) -> None:
        self.data = b''
        self.is_fast = threading.Event()
        self.is_fast.set()
        self.error: OSError | None = None
        self.is_finished = self.is_closed = self.is_used_when_closed = False
        self._is_busy = False

    def append(self, data: bytes) -> None:
        self._is_busy = True
        self.is_fast.wait()
        self._is_busy = False
        if self.error is not None:
            raise self.error
        self.data += data

    def finish(self) -> None:
        self.is_finished = True

    def close(self) -> None:
        self.is_closed = True
        self.is_used_when_closed = self._is_busy


class Console:
    """A connection to a console."""

    def __init__(self) -> None:
        self.is_paused = False
        self.sent: list[bytes] = []

    def relay_to(self, receiver: Receiver) -> None:
        self.receiver = receiver

    def discard(self) -> None:
        pass

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    async def finish(self) -> None:
        pass


class Client:
    """Takes what a console sends."""

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.is_paused = False

    def received(self, data: bytes) -> None:
        self.data.append(data)

    def closed(self, error: Exception | None) -> None:
        pass

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False


class RecordingTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.sink = Memory()
        # Threads that wait for a test that has failed would never end.
        self.addCleanup(self.sink.is_fast.set)
        self.failed = mock.Mock()

    def run_with(
        self,
        act: Callable[[Recording], Awaitable[None]],
        make: Callable[[RecordingKey, dict[str, object]], Writer] = (
            cast.Writer
        ),
        **options: object,
    ) -> None:
        """Run something with a recording.

        :param make: makes its writer
        """
        conf = self.useFixture(
            fixtures.Configuration(recording={'piece_seconds': 0.1, **options})
        ).conf

        async def run() -> None:
            async with self.recording(conf.recording, make) as made:
                await act(made)

        asyncio.run(run())

    @contextlib.asynccontextmanager
    async def recording(
        self,
        options: object,
        make: Callable[[RecordingKey, dict[str, object]], Writer],
    ) -> AsyncIterator[Recording]:
        threads = futures.ThreadPoolExecutor(1)
        self.addCleanup(threads.shutdown)
        writer = make(KEY, HEAD)
        self.sink.append(writer.start())
        made = Recording(options, writer, self.sink, threads, time.monotonic())
        made.run(self.failed)
        yield made
        await made.close('The end.')

    def events(self) -> list[tuple[str, str]]:
        self.assertTrue(check.check(Bytes(self.sink.data), KEY).is_good)
        data = b''.join(cast.lines(Bytes(self.sink.data), KEY))
        lines = [json.loads(it) for it in data.decode().split('\n')[1:-1]]
        return [(it[1], it[2]) for it in lines]

    def connect(self, made: Recording) -> Server:
        """The console of the recording, as the relay has it."""
        self.console, self.client = Console(), Client()
        server = made.of(self.console)
        server.relay_to(self.client)
        return server

    def test_both_directions_are_recorded(self) -> None:
        async def act(made: Recording) -> None:
            self.connect(made).send(b'in')
            self.console.receiver.received(b'out')

        self.run_with(act, record_input=True)
        self.assertEqual([b'in'], self.console.sent)
        self.assertEqual([b'out'], self.client.data)
        self.assertEqual([('i', 'in'), ('o', 'out')], self.events())
        self.assertTrue(self.sink.is_finished)
        self.failed.assert_not_called()

    def test_input_is_not_recorded_by_default(self) -> None:
        async def act(made: Recording) -> None:
            self.connect(made).send(b'password')

        self.run_with(act)
        self.assertEqual([b'password'], self.console.sent)
        self.assertEqual([], self.events())

    def test_output_is_written_while_the_session_runs(self) -> None:
        async def act(made: Recording) -> None:
            made.output(b'x')
            head = self.sink.data
            while self.sink.data == head:
                await asyncio.sleep(0.01)

        self.run_with(act)
        self.assertEqual([('o', 'x')], self.events())

    def fill(self) -> None:
        """Have the console send more than there is room for."""
        while not self.console.is_paused:
            self.console.receiver.received(b'x' * 65536)

    async def wait_for_room(self) -> None:
        while self.console.is_paused:
            await asyncio.sleep(0.01)

    def test_slow_storage_slows_both_ends(self) -> None:
        async def act(made: Recording) -> None:
            self.sink.is_fast.clear()
            self.connect(made)
            # One piece is being written, and another one is full.
            self.fill()
            await self.wait_for_room()
            self.fill()
            self.assertLess(len(self.client.data), 12)
            self.assertTrue(self.client.is_paused)
            self.sink.is_fast.set()
            await self.wait_for_room()
            self.assertFalse(self.client.is_paused)

        self.run_with(act)
        self.assertEqual(
            [b'x' * 65536] * len(self.client.data), self.client.data
        )
        self.assertEqual(
            65536 * len(self.client.data),
            sum(len(text) for _, text in self.events()),
        )

    def test_pauses_of_the_relay_outlast_those_of_the_storage(self) -> None:
        async def act(made: Recording) -> None:
            server = self.connect(made)
            self.fill()
            server.pause_reading()
            self.console.receiver.pause()
            while not made.has_room:
                await asyncio.sleep(0.01)
            self.assertTrue(self.console.is_paused)
            self.assertTrue(self.client.is_paused)
            server.resume_reading()
            self.console.receiver.resume()
            self.assertFalse(self.console.is_paused)
            self.assertFalse(self.client.is_paused)

        self.run_with(act)

    def test_relay_does_not_resume_what_the_storage_has_paused(self) -> None:
        async def act(made: Recording) -> None:
            server = self.connect(made)
            self.fill()
            server.resume_reading()
            self.console.receiver.resume()
            self.assertTrue(self.console.is_paused)
            self.assertTrue(self.client.is_paused)

        self.run_with(act)

    def test_error_of_the_storage_ends_the_recording(self) -> None:
        async def act(made: Recording) -> None:
            self.sink.error = OSError('full')
            self.connect(made)
            self.fill()
            await self.wait_for_room()

        self.run_with(act)
        self.failed.assert_called_once_with(self.sink.error)
        self.assertTrue(self.sink.is_closed)
        self.assertFalse(self.sink.is_finished)

    def test_storage_that_hangs_ends_the_recording(self) -> None:
        self.useFixture(
            fixtures_.MonkeyPatch(f'{recording.__name__}._TIMEOUT', 0.1)
        )

        async def act(made: Recording) -> None:
            self.sink.is_fast.clear()
            self.connect(made)
            self.fill()
            while not self.failed.called:
                await asyncio.sleep(0.01)
            # Its descriptor could become that of another file.
            self.assertFalse(self.sink.is_closed)
            self.sink.is_fast.set()
            while not self.sink.is_closed:
                await asyncio.sleep(0.01)

        self.run_with(act)
        (error,) = self.failed.call_args.args
        self.assertIsInstance(error, TimeoutError)
        self.assertFalse(self.sink.is_used_when_closed)

    def test_vnc_recording_has_the_pixel_format(self) -> None:
        """That of the server, unless the client sets another one."""
        for sent, expected in (
            (b'', NOVNC),
            (set_format(TIGERVNC), TIGERVNC),
        ):
            self.sink = Memory()
            filters = []

            async def act(
                made: Recording,
                sent: bytes = sent,
                filters: list[rfb.Filter] = filters,
            ) -> None:
                server = self.connect(made)
                self.console.receiver.received(server_init(NOVNC))
                filters.append(rfb.Filter(False, made.choices))
                server.send(filters[0].feed(sent + messages.UPDATE_REQUEST))
                self.console.receiver.received(b'update')

            self.run_with(act, make=fbs.Writer)
            file = b''.join(fbs.parts(Bytes(self.sink.data), KEY))
            self.assertEqual(
                server_init(expected) + b'update', fbs_file.sent(file)
            )
            # The client may still be there when the recording has ended.
            filters[0].feed(messages.UPDATE_REQUEST)

    def test_serial_recordings_have_no_choices(self) -> None:
        async def act(made: Recording) -> None:
            self.assertIsNone(made.choices)

        self.run_with(act)

    def test_pieces_are_made_in_threads(self) -> None:
        """The event loop would stop for as long as it takes."""
        found = []

        class Writer(fbs.Writer):
            def seal(self, events: Events) -> bytes:
                found.append(threading.current_thread())
                return super().seal(events)

        async def act(made: Recording) -> None:
            made.output(b'x')

        self.run_with(act, make=Writer)
        self.assertNotEqual([], found)
        self.assertNotIn(threading.main_thread(), found)

    def test_unexpected_error_ends_the_recording(self) -> None:
        log = self.useFixture(fixtures_.FakeLogger())

        async def act(made: Recording) -> None:
            self.sink.error = ZeroDivisionError()
            made.output(b'x')

        self.run_with(act)
        self.failed.assert_called_once_with(self.sink.error)
        self.assertIn('A recording failed unexpectedly', log.output)
