# SPDX-License-Identifier: Apache-2.0

import logging
import os
import pathlib
import time
from unittest import mock

import fixtures
import testtools

from console_svc.watched_file import WatchedFile


def parse(content: bytes) -> str:
    text = content.decode()
    if 'bad' in text:
        raise ValueError('line 1: it is bad')
    return text


class WatchedFileTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.ERROR))
        folder = self.useFixture(fixtures.TempDir()).path
        self.path = pathlib.Path(folder) / 'file'
        self.parsed = 0
        self.file = WatchedFile(str(self.path), self._parse)

    def _parse(self, content: bytes) -> str:
        self.parsed += 1
        return parse(content)

    def _write(self, text: str, age: float = 0) -> None:
        self.path.write_text(text)
        then = self.path.stat().st_mtime - age
        os.utime(self.path, (then, then))

    def test_a_change_is_read(self) -> None:
        self._write('one')
        self.assertEqual('one', self.file.get())
        self._write('two')
        self.assertEqual('two', self.file.get())

    def test_a_change_with_the_same_time_and_size_is_read(self) -> None:
        # Two writes within one tick of the kernel's clock for time stamps.
        stamp = time.time_ns()
        with mock.patch('time.time_ns', return_value=stamp + 1):
            for number in range(3):
                self.path.write_text(f'{number:03}')
                os.utime(self.path, ns=(stamp, stamp))
                self.assertEqual(f'{number:03}', self.file.get())

    def test_an_unchanged_file_is_parsed_once(self) -> None:
        self._write('one', age=10)
        for _ in range(3):
            self.assertEqual('one', self.file.get())
        self.assertEqual(1, self.parsed)

    def test_invalid_content_keeps_the_last_valid_content(self) -> None:
        self._write('good')
        self.file.get()
        self._write('bad')
        for _ in range(3):
            self.assertEqual('good', self.file.get())
        self.assertEqual(1, self.log.output.count('line 1: it is bad'))
        self.path.unlink()
        self.assertEqual('good', self.file.get())
        self._write('better')
        self.assertEqual('better', self.file.get())

    def test_invalid_first_content_raises_its_error(self) -> None:
        error = self.assertRaises(ValueError, self.file.get)
        self.assertIn(str(self.path), str(error))
        self._write('bad', age=10)
        for _ in range(2):
            error = self.assertRaises(ValueError, self.file.get)
            self.assertIn('line 1: it is bad', str(error))
        self._write('good')
        self.assertEqual('good', self.file.get())
