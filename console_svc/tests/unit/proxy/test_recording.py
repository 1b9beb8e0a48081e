# SPDX-License-Identifier: Apache-2.0

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent import futures
from unittest import mock

import fixtures as fixtures_
import testtools

from console_svc.proxy import recording
from console_svc.proxy.recording import Recording
from console_svc.recordings import cast, check
from console_svc.recordings.check import Bytes
from console_svc.recordings.pieces import RecordingKey
from console_svc.recordings.storage import Sink
from console_svc.tests import fixtures

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
    """A console that sends the same data again and again."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.reads = 0
        self.written: list[bytes] = []

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        self.reads += 1
        return self._data

    async def write(self, data: bytes) -> None:
        self.written.append(data)

    async def finish(self) -> None:
        pass


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
        **options: object,
    ) -> None:
        """Run something with a recording."""
        conf = self.useFixture(
            fixtures.Configuration(recording={'piece_seconds': 0.1, **options})
        ).conf

        async def run() -> None:
            async with self.recording(conf.recording) as made:
                await act(made)

        asyncio.run(run())

    @contextlib.asynccontextmanager
    async def recording(self, options: object) -> AsyncIterator[Recording]:
        threads = futures.ThreadPoolExecutor(1)
        self.addCleanup(threads.shutdown)
        writer = cast.Writer(KEY, HEAD)
        self.sink.append(writer.start())
        made = Recording(options, writer, self.sink, threads)
        made.run(self.failed)
        yield made
        await made.close('The end.')

    def events(self) -> list[tuple[str, str]]:
        self.assertTrue(check.check(Bytes(self.sink.data), KEY).is_good)
        data = b''.join(cast.lines(Bytes(self.sink.data), KEY))
        lines = [json.loads(it) for it in data.decode().split('\n')[1:-1]]
        return [(it[1], it[2]) for it in lines]

    def test_both_directions_are_recorded(self) -> None:
        async def act(made: Recording) -> None:
            console = Console(b'out')
            server = made.of(console)
            await server.write(b'in')
            self.assertEqual(b'out', await server.read())
            self.assertEqual([b'in'], console.written)

        self.run_with(act, record_input=True)
        self.assertEqual([('i', 'in'), ('o', 'out')], self.events())
        self.assertTrue(self.sink.is_finished)
        self.failed.assert_not_called()

    def test_input_is_not_recorded_by_default(self) -> None:
        async def act(made: Recording) -> None:
            await made.of(Console(b'')).write(b'password')

        self.run_with(act)
        self.assertEqual([], self.events())

    def test_output_is_written_while_the_session_runs(self) -> None:
        async def act(made: Recording) -> None:
            made.output(b'x')
            head = self.sink.data
            while self.sink.data == head:
                await asyncio.sleep(0.01)

        self.run_with(act)
        self.assertEqual([('o', 'x')], self.events())

    def test_slow_storage_slows_the_console(self) -> None:
        async def act(made: Recording) -> None:
            self.sink.is_fast.clear()
            console = Console(b'x' * 65536)
            server = made.of(console)

            async def read() -> None:
                while console.reads < 100:
                    await server.read()

            reading = asyncio.create_task(read())
            done, _ = await asyncio.wait([reading], timeout=0.5)
            # One piece is being written, and another one is full.
            self.assertEqual(set(), done)
            self.assertLess(console.reads, 12)
            self.sink.is_fast.set()
            await reading

        self.run_with(act)
        self.assertEqual(
            100 * 65536, sum(len(text) for _, text in self.events())
        )

    def test_error_of_the_storage_ends_the_recording(self) -> None:
        async def act(made: Recording) -> None:
            self.sink.error = OSError('full')
            server = made.of(Console(b'x' * 65536))
            # More than there is room for.
            for _ in range(20):
                await server.read()

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
            server = made.of(Console(b'x' * 65536))
            for _ in range(20):
                await server.read()
            # Its descriptor could become that of another file.
            self.assertFalse(self.sink.is_closed)
            self.sink.is_fast.set()
            while not self.sink.is_closed:
                await asyncio.sleep(0.01)

        self.run_with(act)
        (error,) = self.failed.call_args.args
        self.assertIsInstance(error, TimeoutError)
        self.assertFalse(self.sink.is_used_when_closed)

    def test_unexpected_error_ends_the_recording(self) -> None:
        log = self.useFixture(fixtures_.FakeLogger())

        async def act(made: Recording) -> None:
            self.sink.error = ZeroDivisionError()
            made.output(b'x')

        self.run_with(act)
        self.failed.assert_called_once_with(self.sink.error)
        self.assertIn('A recording failed unexpectedly', log.output)
