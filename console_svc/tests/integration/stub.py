# SPDX-License-Identifier: Apache-2.0

"""An HTTP service with the responses that a test sets."""

import dataclasses
import json
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable
from http import server
from typing import Any

import fixtures


@dataclasses.dataclass
class Answer:
    """A response, and its delay.

    :param body: bytes, or what becomes JSON
    :param delay: seconds
    :param headers: other headers, or another Date
    :param is_lost: whether the connection is closed instead
    """

    status: int = 200
    body: Any = dataclasses.field(default_factory=dict)
    delay: float = 0
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    is_lost: bool = False


class Stub(fixtures.Fixture):
    """Listens on a local address.

    :param answer: method and path -> the response
    :param tls: None: without TLS
    """

    def __init__(
        self,
        answer: Callable[[str, str], Answer],
        host: str = '127.0.0.1',
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.answer = answer
        self._host = host
        self._tls = tls
        #: Method, path and headers of the requests.
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        #: Their bodies.
        self.bodies: list[bytes] = []
        #: ``body``: that of the request which this thread answers.
        self.current = threading.local()
        self.lock = threading.Lock()
        #: The number of connections.
        self.connections = 0

    def _setUp(self) -> None:
        stub = self

        class Handler(server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def setup(self) -> None:
                super().setup()
                stub.connections += 1

            def do_any(self) -> None:
                length = int(self.headers.get('Content-Length', 0))
                received = self.rfile.read(length)
                # In the same order, though requests are concurrent.
                with stub.lock:
                    stub.bodies.append(received)
                    stub.requests.append(
                        (self.command, self.path, dict(self.headers))
                    )
                stub.current.body = received
                answer = stub.answer(self.command, self.path)
                time.sleep(answer.delay)
                if answer.is_lost:
                    self.close_connection = True
                    return
                body = answer.body
                if not isinstance(body, bytes):
                    body = json.dumps(body).encode()
                self.send_response_only(answer.status)
                for header in {
                    'Date': self.date_time_string(),
                    'Content-Type': 'application/json',
                    'Content-Length': str(len(body)),
                    **answer.headers,
                }.items():
                    self.send_header(*header)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = do_any

            def log_message(self, *arguments: object) -> None:
                pass

        class Server(socketserver.ThreadingMixIn, server.HTTPServer):
            daemon_threads = True
            # Tests send many requests at once.
            request_queue_size = 128
            address_family = (
                socket.AF_INET6 if ':' in self._host else socket.AF_INET
            )

            def handle_error(self, *arguments: object) -> None:
                """Ignore clients that have closed the connection."""

        listener = Server((self._host, 0), Handler)
        if self._tls is not None:
            listener.socket = self._tls.wrap_socket(
                listener.socket, server_side=True
            )
        self.addCleanup(listener.server_close)
        self.addCleanup(listener.shutdown)
        scheme = 'http' if self._tls is None else 'https'
        host = f'[{self._host}]' if ':' in self._host else self._host
        self.url = f'{scheme}://{host}:{listener.server_port}'
        threading.Thread(target=listener.serve_forever, daemon=True).start()
