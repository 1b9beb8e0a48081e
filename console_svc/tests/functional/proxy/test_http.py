# SPDX-License-Identifier: Apache-2.0

"""HTTP as servers speak it: connections, methods, limits and caching."""

import gzip
import http.client
import os
import pathlib
import signal
import socket
import ssl
import time
from typing import ClassVar

from console_svc.tests.functional.proxy.base import ProxyTest
from console_svc.tests.programs import bad_input, certificates, process
from console_svc.tests.programs.bad_input import UPGRADE

#: Text that gzip makes smaller.
MODULE = b'export function f() {}\n' * 500

#: More than the buffers of sockets, and not compressible.
LARGE = os.urandom(6 * 2**20)

PAGE = b'GET /page.html HTTP/1.1\r\nHost: x\r\n\r\n'


class Reader:
    """Responses on a connection that a test writes by itself."""

    def __init__(self, stream: socket.socket) -> None:
        self._file = stream.makefile('rb')

    def response(self, method: str = 'GET') -> http.client.HTTPResponse:
        """The next response, with its body in ``data``."""
        found = http.client.HTTPResponse(self, method=method)  # type: ignore[arg-type]
        found.begin()
        self.data = found.read()
        return found

    def makefile(self, mode: str) -> 'Reader':
        return self

    def readline(self, limit: int) -> bytes:
        return self._file.readline(limit)

    def read(self, number: int = -1) -> bytes:
        return self._file.read(number)

    def readinto(self, buffer: memoryview) -> int:
        return self._file.readinto(buffer)  # type: ignore[attr-defined,no-any-return]

    def flush(self) -> None:
        pass

    def close(self) -> None:
        """The connection stays open for the next response."""


class HTTPTest(ProxyTest):
    folder: ClassVar[pathlib.Path]

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = cls.new_folder()
        (cls.folder / 'page.html').write_text('<p>page</p>')
        (cls.folder / 'module.mjs').write_bytes(MODULE)
        (cls.folder / 'large.bin').write_bytes(LARGE)
        cls.PROXY = {'web': cls.folder, **cls.PROXY}
        super().setUpClass()

    def raw(self, data: bytes = b'') -> tuple[socket.socket, Reader]:
        """A connection on which something is sent, and its responses."""
        stream = bad_input.connect(self.proxy.port, data)
        self.addCleanup(stream.close)
        return stream, Reader(stream)

    def get(
        self, path: str, method: str = 'GET', **headers: str
    ) -> http.client.HTTPResponse:
        """A response on a connection of its own, with its body in data."""
        lines = ''.join(
            f'{name.replace("_", "-")}: {value}\r\n'
            for name, value in headers.items()
        )
        head = f'{method} {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n'
        _, reader = self.raw(head.encode())
        response = reader.response(method)
        self.data = reader.data
        return response


class ConnectionTest(HTTPTest):
    PROXY = {'max_header_size': 100_000}

    def test_connection_is_kept_for_other_requests(self) -> None:
        stream, reader = self.raw()
        for _ in range(300):
            stream.sendall(PAGE)
            response = reader.response()
            self.assertEqual(200, response.status)
            self.assertEqual(b'<p>page</p>', reader.data)
            self.assertFalse(response.will_close)
            self.assertIsNotNone(response.headers['Date'])

    def test_websocket_follows_pages_on_one_connection(self) -> None:
        self.console()
        stream, reader = self.raw(PAGE)
        reader.response()
        stream.sendall(
            UPGRADE.format(target=f'/?token={self.token()}').encode()
        )
        self.assertEqual(
            b'HTTP/1.1 101 Switching Protocols\r\n', reader.readline(99)
        )
        while reader.readline(999) != b'\r\n':
            pass
        # A masked frame, and its echo.
        stream.sendall(b'\x82\x82\0\0\0\0hi')
        self.assertEqual(b'\x82\x02hi', reader.read(4))

    def test_frames_may_follow_the_handshake_at_once(self) -> None:
        self.console()
        head = UPGRADE.format(target=f'/?token={self.token()}').encode()
        _, reader = self.raw(PAGE + head + b'\x82\x82\0\0\0\0hi')
        reader.response()
        while reader.readline(999) != b'\r\n':
            pass
        self.assertEqual(b'\x82\x02hi', reader.read(4))

    def test_pipelined_requests_are_answered_in_order(self) -> None:
        _, reader = self.raw(
            PAGE.replace(b'page.html', b'module.mjs')
            + PAGE
            + PAGE.replace(b'page.html', b'nothing')
            + PAGE
        )
        for status, data in (
            (200, MODULE),
            (200, b'<p>page</p>'),
            (404, b'There is no such page.\n'),
            (200, b'<p>page</p>'),
        ):
            self.assertEqual(status, reader.response().status)
            self.assertEqual(data, reader.data)

    def test_head_has_the_headers_of_get(self) -> None:
        for path, length in ('/page.html', 11), ('/large.bin', len(LARGE)):
            stream, reader = self.raw(
                f'HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n'.encode()
            )
            response = reader.response('HEAD')
            self.assertEqual(200, response.status)
            self.assertEqual(str(length), response.headers['Content-Length'])
            # No body follows.
            stream.sendall(PAGE)
            self.assertEqual(200, reader.response().status)
            self.assertEqual(b'<p>page</p>', reader.data)

    def test_other_methods_are_not_allowed(self) -> None:
        for method, status in (
            ('OPTIONS', 204),
            ('POST', 405),
            ('PUT', 405),
            ('DELETE', 405),
            ('TRACE', 405),
            ('BREW', 405),
        ):
            stream, reader = self.raw(
                f'{method} /page.html HTTP/1.1\r\nHost: x\r\n\r\n'.encode()
            )
            response = reader.response(method)
            self.assertEqual(status, response.status)
            self.assertEqual('GET, HEAD, OPTIONS', response.headers['Allow'])
            stream.sendall(PAGE)
            self.assertEqual(200, reader.response().status)

    def test_bodies_are_discarded(self) -> None:
        head = b'POST /page.html HTTP/1.1\r\nHost: x\r\n'
        for body in (
            b'Content-Length: 5\r\n\r\nhello',
            b'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
            b'Content-Length: 9000000\r\n\r\n' + bytes(9_000_000),
            b'Content-Length: 5\r\nExpect: 100-continue\r\n\r\n',
        ):
            stream, reader = self.raw()
            stream.sendall(head + body)
            response = reader.response('POST')
            self.assertEqual(405, response.status)
            if response.will_close:
                self.assertEqual(b'', reader.read())
            else:
                stream.sendall(PAGE)
                self.assertEqual(200, reader.response().status)

    def test_no_websocket_begins_before_a_body_is_received(self) -> None:
        head = UPGRADE.format(target='/').replace(
            'Host', 'Content-Length: 5\r\nHost'
        )
        _, reader = self.raw(head.encode())
        response = reader.response()
        self.assertEqual(404, response.status)
        self.assertTrue(response.will_close)

    def test_http_1_0_closes_the_connection(self) -> None:
        _, reader = self.raw(b'GET /page.html HTTP/1.0\r\n\r\n')
        response = reader.response()
        self.assertEqual(200, response.status)
        self.assertEqual(b'<p>page</p>', reader.data)
        self.assertEqual(b'', reader.read())
        # HTTP/1.0 has no upgrades.
        head = UPGRADE.replace('HTTP/1.1', 'HTTP/1.0').format(target='/')
        _, reader = self.raw(head.encode())
        self.assertEqual(404, reader.response().status)

    def test_client_may_close_the_connection(self) -> None:
        for data in (
            PAGE.replace(b'Host', b'Connection: close\r\nHost'),
            PAGE,
        ):
            stream, reader = self.raw(data)
            stream.shutdown(socket.SHUT_WR)
            self.assertEqual(200, reader.response().status)
            self.assertEqual(b'', reader.read())

    def test_targets(self) -> None:
        for path, status in (
            (f'/{"x" * 300}', 404),
            (f'/{"x" * 300}/page.html', 404),
            (f'/{"x/" * 3000}', 404),
            ('/page.html/', 200),
            ('/page.html/x', 404),
            ('/%ff', 404),
            ('http://example.org/page.html?a=b', 200),
            ('HTTP://example.org', 404),
            ('*', 404),
        ):
            self.assertEqual(status, self.get(path).status, path)

    def test_malformed_requests_are_refused_with_a_reason(self) -> None:
        for data, status in (
            (b'GET / HTTP/1.1\r\n\r\n', 400),
            (b'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400),
            (b'GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n', 400),
            (b'GET / HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n', 400),
            (b'GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n', 400),
            (b'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n', 400),
            (b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n', 400),
            (
                b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n'
                b'Content-Length: 2\r\n\r\n',
                400,
            ),
            (
                b'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x\r\n\r\n',
                501,
            ),
            (
                b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n'
                b'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n' + PAGE,
                400,
            ),
        ):
            _, reader = self.raw(data)
            response = reader.response()
            self.assertEqual(status, response.status, data)
            self.assertIn(b'Malformed request: ', reader.data)
            self.assertTrue(response.will_close)
            self.assertEqual(
                'nosniff', response.headers['X-Content-Type-Options']
            )
            self.assertEqual(b'', reader.read())

    def test_malformed_head_requests_get_no_body(self) -> None:
        for data in (
            b'HEAD / HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n',
            b'HEAD / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n'
            b'\r\nx\r\n',
        ):
            _, reader = self.raw(data)
            self.assertEqual(400, reader.response('HEAD').status)
            self.assertEqual(b'', reader.read())
        # The next request on a connection may be another one.
        _, reader = self.raw(b'HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET\r\n\r\n')
        reader.response('HEAD')
        self.assertEqual(400, reader.response().status)
        self.assertIn(b'Malformed request: ', reader.data)

    def test_other_upgrades_are_ignored(self) -> None:
        response = self.get(
            '/page.html', Connection='Upgrade, HTTP2-Settings', Upgrade='h2c'
        )
        self.assertEqual(200, response.status)

    def test_handshakes_that_lack_a_header_are_refused(self) -> None:
        for old, new, status in (
            ('Connection: Upgrade\r\n', '', 426),
            ('Version: 13', 'Version: 8', 400),
            ('Sec-WebSocket-Key: ', 'X: ', 400),
        ):
            stream, reader = self.raw(
                UPGRADE.format(target='/').replace(old, new).encode()
            )
            self.assertEqual(status, reader.response().status)
            # The connection can be used again.
            stream.sendall(PAGE)
            self.assertEqual(200, reader.response().status)

    def test_header_limit_is_an_option(self) -> None:
        for size, status in (20_000, 200), (90_000, 200), (100_000, 431):
            response = self.get('/page.html', Cookie='a' * size)
            self.assertEqual(status, response.status)
        self.assertIn(b'Delete the cookies', self.data)


class DefaultLimitTest(HTTPTest):
    def test_headers_of_64_kib_are_accepted(self) -> None:
        for size, status in (65_000, 200), (65_536, 431):
            response = self.get('/page.html', Cookie='a' * size)
            self.assertEqual(status, response.status)


class TimeoutTest(HTTPTest):
    PROXY = {'handshake_timeout': 1, 'http_idle_timeout': 2}

    def test_idle_connection_is_closed(self) -> None:
        _, reader = self.raw(PAGE)
        self.assertEqual(200, reader.response().status)
        self.assertEqual(b'', reader.read())

    def test_incomplete_head_times_out(self) -> None:
        for before in b'', PAGE:
            stream, reader = self.raw(before)
            if before:
                reader.response()
            stream.sendall(b'GET / HTTP/1.1\r\nX: ')
            response = reader.response()
            self.assertEqual(408, response.status)
            self.assertEqual(b'', reader.read())

    def test_slow_browser_gets_the_whole_page(self) -> None:
        stream = self.small_buffer()
        data = b''
        # Slowly for longer than the time-out, then at once.
        while len(data) < len(LARGE) and (more := stream.recv(65536)):
            data += more
            if len(data) < 2**20:
                time.sleep(0.1)
        self.assertTrue(data.endswith(LARGE[-1000:]), len(data))

    def test_browser_that_does_not_read_is_cut(self) -> None:
        before = self.proxy.descriptors()
        self.small_buffer()
        process.wait_for(
            lambda: self.proxy.descriptors() > before, 'the connection'
        )
        process.wait_for(lambda: self.proxy.descriptors() <= before, 'its end')

    def small_buffer(self) -> socket.socket:
        """A connection with a small buffer, and a request for a large page."""
        stream = socket.socket()
        self.addCleanup(stream.close)
        stream.settimeout(process.PATIENCE)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        stream.connect(('127.0.0.1', self.proxy.port))
        stream.sendall(
            b'GET /large.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
        )
        return stream


class CacheTest(HTTPTest):
    def test_unchanged_file_is_not_sent_again(self) -> None:
        tag = self.get('/page.html').headers['ETag']
        for value, status in (
            (tag, 304),
            (f'"x", {tag}', 304),
            (tag.removeprefix('W/'), 304),
            ('*', 304),
            ('"x"', 200),
        ):
            response = self.get('/page.html', If_None_Match=value)
            self.assertEqual(status, response.status, value)
            self.assertEqual(tag, response.headers['ETag'])
            self.assertEqual('Accept-Encoding', response.headers['Vary'])
            # That of a 304 would be the page's.
            self.assertEqual(
                '11' if status == 200 else None,
                response.headers['Content-Length'],
            )
        self.assertEqual(b'<p>page</p>', self.data)
        file = self.folder / 'page.html'
        os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
        response = self.get('/page.html', If_None_Match=tag)
        self.assertEqual(200, response.status)

    def test_text_is_compressed(self) -> None:
        for accepted, encoding in (
            ('gzip, deflate, br, zstd', 'gzip'),
            ('br;q=1.0, GZIP;q=0.5', 'gzip'),
            ('gzip;q=0', None),
            ('gzip; q=0.000', None),
            ('identity', None),
            ('', None),
        ):
            response = self.get('/module.mjs', Accept_Encoding=accepted)
            self.assertEqual(200, response.status)
            self.assertEqual(
                encoding, response.headers['Content-Encoding'], accepted
            )
            self.assertEqual('Accept-Encoding', response.headers['Vary'])
            if encoding is None:
                self.assertEqual(MODULE, self.data)
            else:
                self.assertLess(len(self.data), len(MODULE) / 10)
                self.assertEqual(MODULE, gzip.decompress(self.data))

    def test_other_files_are_not_compressed(self) -> None:
        for path in '/large.bin', '/page.html':
            response = self.get(path, Accept_Encoding='gzip')
            self.assertIsNone(response.headers['Content-Encoding'])
            self.assertEqual((self.folder / path[1:]).read_bytes(), self.data)

    def test_compressed_file_beside_a_page_is_sent(self) -> None:
        original = self.folder / 'app.js'
        original.write_bytes(MODULE)
        for suffix, accepted, encoding in (
            ('.gz', 'gzip', 'gzip'),
            ('.br', 'gzip, br', 'br'),
        ):
            sibling = self.folder / f'app.js{suffix}'
            sibling.write_bytes(encoding.encode())
            response = self.get('/app.js', Accept_Encoding=accepted)
            self.assertEqual(encoding, response.headers['Content-Encoding'])
            self.assertEqual(
                'text/javascript', response.headers['Content-Type']
            )
            self.assertEqual(encoding.encode(), self.data)
            # It is older than the page.
            os.utime(sibling, (0, 0))
        self.get('/app.js', Accept_Encoding='br')
        self.assertEqual(MODULE, self.data)
        # A link leads out of the folder.
        sibling.unlink()
        sibling.symlink_to('/etc/hosts')
        self.get('/app.js', Accept_Encoding='br')
        self.assertEqual(MODULE, self.data)

    def test_types(self) -> None:
        for name, kind in (
            ('a.js', 'text/javascript'),
            ('a.mjs', 'text/javascript'),
            ('a.wasm', 'application/wasm'),
            ('a.woff2', 'font/woff2'),
            ('a.css', 'text/css'),
            ('a.svg', 'image/svg+xml'),
            ('a.json', 'application/json'),
            ('a.html', 'text/html'),
            ('a.png', 'image/png'),
            ('a.js.gz', 'application/octet-stream'),
            ('a', 'application/octet-stream'),
        ):
            (self.folder / name).write_text('x')
            response = self.get(f'/{name}')
            self.assertEqual(kind, response.headers['Content-Type'], name)


class SecurityTest(HTTPTest):
    """Behind a load balancer with TLS."""

    PROXY = {
        'enable_proxy_headers_parsing': True,
        # As in the file of an operator.
        'content_security_policy': "default-src 'self';\n  object-src 'none';",
        'frame_ancestors': 'self, https://dashboard.example.org:8443',
        'hsts_max_age': 600,
    }

    def test_headers(self) -> None:
        for path, status in ('/page.html', 200), ('/nothing', 404):
            response = self.get(path, X_Forwarded_Proto='https')
            self.assertEqual(status, response.status)
            headers = response.headers
            self.assertEqual('nosniff', headers['X-Content-Type-Options'])
            self.assertEqual('no-referrer', headers['Referrer-Policy'])
            self.assertEqual(
                'max-age=600', headers['Strict-Transport-Security']
            )
            self.assertEqual(
                "default-src 'self'; object-src 'none'; "
                "frame-ancestors 'self' https://dashboard.example.org:8443",
                headers['Content-Security-Policy'],
            )

    def test_no_hsts_without_tls(self) -> None:
        headers = self.get('/page.html').headers
        self.assertIsNone(headers['Strict-Transport-Security'])


class TLSTest(HTTPTest):
    @classmethod
    def start_proxy(cls) -> None:
        certificates.write(cls.folder)
        cls.PROXY = {
            **cls.PROXY,
            'cert': cls.folder / 'server-cert.pem',
            'key': cls.folder / 'server-key.pem',
        }
        super().start_proxy()

    def test_pages(self) -> None:
        context = ssl.create_default_context(
            cafile=str(self.folder / 'ca-cert.pem')
        )
        connection = http.client.HTTPSConnection(
            '127.0.0.1', self.proxy.port, context=context
        )
        self.addCleanup(connection.close)
        for method, path, status in (
            ('GET', '/page.html', 200),
            ('GET', '/large.bin', 200),
            ('HEAD', '/large.bin', 200),
            ('POST', '/page.html', 405),
            ('GET', '/page.html', 200),
        ):
            body = bytes(1_000_000) if method == 'POST' else None
            connection.request(method, path, body)
            response = connection.getresponse()
            data = response.read()
            self.assertEqual(status, response.status)
            self.assertEqual(
                'max-age=31536000',
                response.headers['Strict-Transport-Security'],
            )
            if method == 'GET':
                self.assertEqual((self.folder / path[1:]).read_bytes(), data)


class DrainTest(HTTPTest):
    """Each test has a proxy of its own."""

    @classmethod
    def start_proxy(cls) -> None:
        pass

    def test_drain_keeps_no_connection(self) -> None:
        self.start(web=self.folder, drain_timeout=600)
        self.console()
        session = self.connect()
        self.check_echo(session)
        _, idle = self.raw(PAGE)
        idle.response()
        page, page_reader = self.raw()
        websocket, websocket_reader = self.raw()
        large, large_reader = self.raw(
            PAGE.replace(b'page.html', b'large.bin')
        )
        first = large.recv(1000)
        self.proxy.process.signal(signal.SIGTERM)
        self.assertEqual(b'', idle.read())
        page.sendall(PAGE)
        response = page_reader.response()
        self.assertEqual(200, response.status)
        self.assertTrue(response.will_close)
        self.assertEqual(b'', page_reader.read())
        websocket.sendall(UPGRADE.format(target='/').encode())
        self.assertEqual(503, websocket_reader.response().status)
        self.assertTrue((first + large_reader.read()).endswith(LARGE[-1000:]))
        self.check_echo(session)
        session.close()
        for stream in page, websocket, large:
            # Not close(): the readers keep the sockets open.
            stream.shutdown(socket.SHUT_RDWR)
        self.assertEqual(0, self.proxy.process.wait())
