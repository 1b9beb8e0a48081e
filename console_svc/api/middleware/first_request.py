# SPDX-License-Identifier: Apache-2.0

"""Work beside the requests."""

import os
import threading
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class FirstRequest:
    """Starts something once in each process, with its first request.

    Not when the application is made: a server that forks its processes
    afterwards would leave the thread behind.

    :param start: starts it, and returns
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
