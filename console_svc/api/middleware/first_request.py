# SPDX-License-Identifier: Apache-2.0

"""Background work of a process, started with its first request."""

import os
import threading
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class FirstRequest:
    """Calls a function once in each process, with its first request.

    Not when the application is built: a thread does not survive the fork of
    a server that loads the application first.

    :param start: starts the work, and returns
    """

    def __init__(
        self, app: WSGIApplication, start: Callable[[], None]
    ) -> None:
        self._app = app
        self._start = start
        self._lock = threading.Lock()
        self._pid: int | None = None

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        if self._pid != os.getpid():
            with self._lock:
                if self._pid != os.getpid():
                    self._pid = os.getpid()
                    self._start()
        return self._app(environ, start_response)
