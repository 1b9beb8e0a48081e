# SPDX-License-Identifier: Apache-2.0

import gzip
import pathlib
from concurrent import futures
from unittest import mock

import fixtures as fixtures_
import testtools
from websockets.datastructures import Headers

from console_svc.proxy.http import files
from console_svc.proxy.http.files import Files
from console_svc.proxy.http.messages import Request


class CompressionTest(testtools.TestCase):
    """The cache of compressed files."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures_.TempDir()).path)
        threads = futures.ThreadPoolExecutor(1)
        self.addCleanup(threads.shutdown)
        self.files = Files(threads)
        patch = mock.patch.object(gzip, 'compress', wraps=gzip.compress)
        self.compress = patch.start()
        self.addCleanup(patch.stop)

    def encoding(self, name: str) -> str | None:
        request = Request(
            'GET',
            f'/{name}',
            '1.1',
            Headers({'Accept-Encoding': 'gzip'}),
            '192.0.2.7',
            False,
        )
        response = self.files.response(self.folder / name, request)
        return response.headers.get('Content-Encoding')

    def test_file_is_compressed_once_until_it_changes(self) -> None:
        file = self.folder / 'a.js'
        file.write_text('x' * 5000)
        for _ in range(3):
            self.assertEqual('gzip', self.encoding('a.js'))
        self.assertEqual(1, self.compress.call_count)
        file.write_text('y' * 6000)
        self.assertEqual('gzip', self.encoding('a.js'))
        self.assertEqual(2, self.compress.call_count)

    def test_cache_is_bounded(self) -> None:
        for name in 'a.js', 'b.js', 'c.js':
            (self.folder / name).write_text(name * 5000)
        size = len(gzip.compress(b'a.js' * 5000, 6, mtime=0))
        self.compress.reset_mock()
        with mock.patch.object(files, '_CACHE_SIZE', 2 * size + 10):
            for name in 'a.js', 'b.js', 'a.js', 'c.js', 'a.js':
                self.encoding(name)
            self.assertEqual(3, self.compress.call_count)
            # The least recently used one is gone.
            self.encoding('b.js')
            self.assertEqual(4, self.compress.call_count)

    def test_one_file_is_compressed_at_a_time(self) -> None:
        for name in 'a.js', 'b.js':
            (self.folder / name).write_text(name * 5000)
        meanwhile = []

        def compress(data: bytes, *rest: int, **more: int) -> bytes:
            meanwhile.append(self.encoding('b.js'))
            return b'compressed'

        self.compress.side_effect = compress
        self.assertEqual('gzip', self.encoding('a.js'))
        self.assertEqual([None], meanwhile)
