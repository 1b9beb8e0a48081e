# SPDX-License-Identifier: Apache-2.0

"""Files as responses: validators, types and compression."""

import asyncio
import collections
import gzip
import http
import mimetypes
import os
import pathlib
import stat
import threading
from collections.abc import Iterator
from concurrent import futures
from typing import BinaryIO, Final

from console_svc.proxy.http.messages import PIECE, Request, Response

# Browsers run modules only if they have these types, and the MIME types of
# some hosts lack them.
_TYPES: Final = mimetypes.MimeTypes()
for _type, _suffix in (
    ('text/javascript', '.js'),
    ('text/javascript', '.mjs'),
    ('application/json', '.json'),
    ('application/wasm', '.wasm'),
    ('font/woff', '.woff'),
    ('font/woff2', '.woff2'),
    ('image/svg+xml', '.svg'),
    ('text/css', '.css'),
    ('text/html', '.html'),
):
    _TYPES.add_type(_type, _suffix)

# Types besides text/* that compression makes smaller.
_COMPRESSIBLE: Final = frozenset(
    {'application/json', 'application/wasm', 'image/svg+xml', 'font/ttf'}
)

# Files beside a page that are compressed already: suffix and encoding, the
# best first.
_SIBLINGS: Final = (('.br', 'br'), ('.gz', 'gzip'))

# Sizes of files that are worth compressing; each takes a second at most.
_COMPRESSED_SIZES: Final = range(1024, 16 * 2**20)

# Most bytes of compressed files that are kept.
_CACHE_SIZE: Final = 32 * 2**20


class Files:
    """Files as responses. Its methods block.

    :param threads: read the pieces of large files
    """

    def __init__(self, threads: futures.Executor) -> None:
        self._threads = threads
        self._compressed = _Compressed()

    def response(self, file: pathlib.Path, request: Request) -> Response:
        """The response to GET or HEAD.

        :raises OSError: the file cannot be read
        """
        status = file.stat()
        kind, encoding = _TYPES.guess_type(file.name)
        if kind is None or encoding is not None:
            kind = 'application/octet-stream'
        # It is weak: all encodings share it (RFC 9110, section 8.8.1).
        tag = f'W/"{status.st_mtime_ns:x}-{status.st_size:x}"'
        headers = {'ETag': tag}
        is_text = kind.startswith('text/') or kind in _COMPRESSIBLE
        if is_text:
            headers['Vary'] = 'Accept-Encoding'
        if _matches(request, tag):
            return Response(http.HTTPStatus.NOT_MODIFIED, headers)
        headers['Content-Type'] = kind
        if is_text:
            accepted = set(_accepted_encodings(request))
            for suffix, coding in _SIBLINGS:
                sibling = file.with_name(file.name + suffix)
                if coding in accepted and _is_fresh(sibling, status):
                    headers['Content-Encoding'] = coding
                    return self._opened(sibling, headers)
            if 'gzip' in accepted:
                data = self._compressed.get(file, status)
                if data:
                    headers['Content-Encoding'] = 'gzip'
                    return Response(http.HTTPStatus.OK, headers, data)
        return self._opened(file, headers)

    def _opened(self, file: pathlib.Path, headers: dict[str, str]) -> Response:
        opened = file.open('rb')
        size = os.fstat(opened.fileno()).st_size
        if size > PIECE:
            body = _OpenFile(opened, size, self._threads)
            return Response(http.HTTPStatus.OK, headers, body)
        with opened:
            return Response(http.HTTPStatus.OK, headers, opened.read())


class _OpenFile:
    """A large file, read piece by piece while it is sent."""

    def __init__(
        self, opened: BinaryIO, length: int, threads: futures.Executor
    ) -> None:
        self.length: int | None = length
        self._opened = opened
        self._threads = threads

    async def read(self) -> bytes:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, self._opened.read, PIECE
        )

    def close(self) -> None:
        # In a thread: a read may be running, and holds a lock.
        self._threads.submit(self._opened.close)


class _Compressed:
    """A cache of compressed files, the least recently used dropped first."""

    def __init__(self) -> None:
        self._data: collections.OrderedDict[tuple[str, int, int], bytes] = (
            collections.OrderedDict()
        )
        self._size = 0
        self._lock = threading.Lock()
        self._compressing = threading.Lock()

    def get(self, file: pathlib.Path, status: os.stat_result) -> bytes | None:
        """A file compressed by gzip; None: it is not worth it, or not yet.

        One file is compressed at a time. Meanwhile others are served as they
        are: a flood of requests must not fill the CPU.
        """
        if status.st_size not in _COMPRESSED_SIZES:
            return None
        key = str(file), status.st_mtime_ns, status.st_size
        with self._lock:
            if key in self._data:
                self._data.move_to_end(key)
                return self._data[key]
        if not self._compressing.acquire(blocking=False):
            return None
        try:
            data = gzip.compress(file.read_bytes(), 6, mtime=0)
        finally:
            self._compressing.release()
        with self._lock:
            if key not in self._data:
                # b'': the file is served as it is.
                data = data if len(data) < status.st_size else b''
                self._data[key] = data
                self._size += len(data)
            while self._size > _CACHE_SIZE:
                self._size -= len(self._data.popitem(last=False)[1])
        return data


def _matches(request: Request, tag: str) -> bool:
    """Whether a client has the current file (RFC 9110, section 13.1.2)."""
    value = request.header('If-None-Match') or ''
    tags = [it.strip() for it in value.split(',')]
    # The weak comparison.
    return '*' in tags or tag.removeprefix('W/') in (
        it.removeprefix('W/') for it in tags
    )


def _accepted_encodings(request: Request) -> Iterator[str]:
    """The encodings that a client accepts (RFC 9110, section 12.5.3)."""
    for element in request.elements('Accept-Encoding'):
        name, _, weight = element.partition(';')
        if weight.replace(' ', '').rstrip('.0') != 'q=':
            yield name.strip()


def _is_fresh(sibling: pathlib.Path, status: os.stat_result) -> bool:
    """Whether a compressed file exists, and is not older than the original."""
    try:
        # Not a symbolic link, which may lead out of the folder.
        found = sibling.lstat()
    except OSError:
        return False
    return (
        stat.S_ISREG(found.st_mode) and found.st_mtime_ns >= status.st_mtime_ns
    )
