# SPDX-License-Identifier: Apache-2.0

import pathlib
import stat
import uuid

from console_svc.recordings import cast, fbs, storage
from console_svc.recordings.keys import Keys
from console_svc.tests.programs import fbs as fbs_file
from console_svc.tests.programs import rfb_messages
from console_svc.tests.unit.cmd.test_manage import CommandTest

HEAD = {'server_id': 'web', 'started_at': 1700000000.5}
ONE, TWO = (str(uuid.UUID(int=it)) for it in (1, 2))


class RecordingsTest(CommandTest):
    def setUp(self) -> None:
        super().setUp()
        with self.configuration.file.open('a') as file:
            file.write('[recording]\nmin_free = 0\n')
        self.configuration.conf.reload_config_files()
        conf = self.configuration.conf
        self.folder = pathlib.Path(conf.recording.directory)
        self.assertEqual(
            (0, '', ''), self.manage('keys', 'create', '--recording')
        )
        self.storage = storage.load(conf)
        self.storage.check()
        self.keys = Keys(conf)

    def record(self, recording_id: str = ONE) -> storage.Sink:
        """A recording of "one", "two" and "three", a second apart."""
        writer = cast.Writer(self.keys.new(recording_id), HEAD)
        sink = self.storage.create(recording_id, writer.start())
        self.addCleanup(sink.close)
        for second, text in enumerate((b'one', b'two', b'three')):
            writer.output(second * 10**6, text)
            sink.append(writer.cut())
        self.end = writer.end(3 * 10**6, 'The console has ended.')
        return sink

    def recorded(self, recording_id: str = ONE) -> pathlib.Path:
        sink = self.record(recording_id)
        sink.append(self.end)
        sink.finish()
        return self.folder / f'{recording_id}.rec'

    def check(self, *ids: str) -> tuple[int, str, str]:
        return self.manage('recording', 'check', *ids)

    def test_key_file_is_private(self) -> None:
        path = pathlib.Path(self.configuration.conf.recording.key_file)
        self.assertEqual(0o600, stat.S_IMODE(path.stat().st_mode))
        self.assertEqual(1, self.manage('keys', 'create', '--recording')[0])

    def test_whole_recordings_are_good(self) -> None:
        self.recorded()
        self.recorded(TWO)
        line = 'complete (The console has ended.), 5 pieces, 3.0 s\n'
        self.assertEqual((0, f'{ONE}: {line}', ''), self.check(ONE))
        code, out, _ = self.check()
        self.assertEqual(
            (0, {f'{ONE}: {line}', f'{TWO}: {line}'}),
            (code, {*out.splitlines(keepends=True)}),
        )

    def test_recordings_of_older_keys_are_good(self) -> None:
        self.recorded()
        self.assertEqual(0, self.manage('keys', 'rotate', '--recording')[0])
        self.assertEqual(0, self.check(ONE)[0])

    def test_changed_byte_is_found(self) -> None:
        path = self.recorded()
        self.recorded(TWO)
        data = path.read_bytes()
        start = data.index(b'CSR1', data.index(b'CSR1', 5) + 4)
        end = data.index(b'CSR1', start + 1)
        path.write_bytes(
            data[: start + 50]
            + bytes([data[start + 50] ^ 1])
            + data[start + 51 :]
        )
        code, out, err = self.check()
        self.assertEqual(1, code)
        self.assertIn(
            f'{ONE}: was changed: bytes {start} to {end}, from piece 2, from '
            '0.0 s to 2.0 s\n',
            out,
        )
        self.assertIn('1 of 2 recordings are damaged', err)

    def test_cut_is_found(self) -> None:
        path = self.recorded()
        data = path.read_bytes()
        path.write_bytes(data[:-1])
        code, out, _ = self.check()
        self.assertEqual(1, code)
        self.assertIn(f'was cut: bytes {data.rindex(b"CSR1")} to', out)
        # Between two pieces.
        path.write_bytes(data[: data.rindex(b'CSR1')])
        code, out, _ = self.check()
        self.assertEqual(1, code)
        self.assertIn(
            f'was cut: its end is missing at byte {data.rindex(b"CSR1")}, '
            'after 2.0 s',
            out,
        )

    def test_recording_that_is_written_is_not_cut(self) -> None:
        sink = self.record()
        line = f'{ONE}: unfinished, 4 pieces, 2.0 s\n'
        self.assertEqual((0, line, ''), self.check())
        sink.append(self.end[:-1])
        self.assertEqual((0, line, ''), self.check())

    def test_unknown_recording_is_an_error(self) -> None:
        for command in 'check', 'export':
            for unknown in TWO, '../x':
                code, out, err = self.manage('recording', command, unknown)
                self.assertEqual((1, ''), (code, out))
                self.assertEqual(1, len(err.splitlines()), err)

    def test_recordings_are_listed(self) -> None:
        path = self.recorded()
        size = path.stat().st_size
        self.assertEqual(
            (0, f'{ONE} 2023-11-14T22:13:20+00:00 web {size} finished\n', ''),
            self.manage('recording', 'list'),
        )
        path.write_bytes(b'')
        self.assertEqual(
            f'{ONE} - - 0 finished\n', self.manage('recording', 'list')[1]
        )

    def test_recording_is_exported(self) -> None:
        self.recorded()
        code, out, err = self.manage('recording', 'export', ONE)
        self.assertEqual((0, ''), (code, err))
        self.assertEqual(
            [
                '[0.000000, "o", "one"]',
                '[1.000000, "o", "two"]',
                '[2.000000, "o", "three"]',
            ],
            out.splitlines()[1:],
        )

    def test_recording_of_a_vnc_console_is_exported(self) -> None:
        writer = fbs.Writer(self.keys.new(ONE), {})
        sink = self.storage.create(ONE, writer.start())
        writer.output(1000, bytes(range(256)))
        writer.input(2500, rfb_messages.key(0x70, True))
        sink.append(writer.end(3000, 'The end.'))
        sink.finish()
        code, out, err = self.manage('recording', 'export', ONE)
        self.assertEqual((0, ''), (code, err))
        file = out.encode(errors='surrogateescape')
        self.assertEqual(bytes(range(256)), fbs_file.sent(file))
        self.assertEqual(
            (
                0,
                '{"time": 0.0025, "type": "key", "keysym": 112, '
                '"is_down": true}\n',
                '',
            ),
            self.manage('recording', 'export', '--input', ONE),
        )

    def test_input_of_a_serial_console_is_exported(self) -> None:
        self.recorded()
        self.assertEqual(
            (0, '', ''), self.manage('recording', 'export', '--input', ONE)
        )
        writer = cast.Writer(self.keys.new(TWO), HEAD)
        sink = self.storage.create(TWO, writer.start())
        writer.output(1000, b'login: ')
        writer.input(2500, b'root\r')
        sink.append(writer.end(3000, 'The end.'))
        sink.finish()
        self.assertEqual(
            (0, '{"time": 0.0025, "type": "text", "text": "root\\r"}\n', ''),
            self.manage('recording', 'export', '--input', TWO),
        )
