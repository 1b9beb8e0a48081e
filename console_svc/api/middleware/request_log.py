# SPDX-License-Identifier: Apache-2.0

"""The request log: one line for each request."""

import logging
import re
import time
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from console_svc.api.microversion import ENVIRON_KEY
from console_svc.api.request import FREQUENT

LOG = logging.getLogger(__name__)

_TOKEN = re.compile(r'(/os-console-auth-tokens/+)[^/]+')
_MASKED = r'\1***'


class RequestLog:
    """Logs method, path, status, length, microversion and seconds.

    A successful keep-alive is logged at DEBUG, as there are many of them.

    Console tokens in paths are masked. Queries are left out, as they can
    contain one.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        started = time.perf_counter()
        # Middleware below may change the path.
        path = environ.get('SCRIPT_NAME', '') + environ.get('PATH_INFO', '')

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Any:
            level = logging.INFO
            if FREQUENT in environ and status.startswith('2'):
                level = logging.DEBUG
            if LOG.isEnabledFor(level):
                LOG.log(
                    level,
                    '%s "%s" status: %s len: %s microversion: %s time: %.6f',
                    environ.get('REMOTE_ADDR', '-'),
                    _printable(
                        f'{environ["REQUEST_METHOD"]} '
                        f'{_TOKEN.sub(_MASKED, path)}'
                    ),
                    status[:3],
                    dict(headers).get('Content-Length', '-'),
                    _version(environ),
                    time.perf_counter() - started,
                )
            return start_response(status, headers, exc_info)

        return self._app(environ, start)


def _version(environ: WSGIEnvironment) -> str:
    """The microversion of a request; no text of an invalid one."""
    version = environ.get(ENVIRON_KEY, '-')
    return '-' if isinstance(version, Exception) else str(version)


def _printable(text: str) -> str:
    """Escape control characters: a request must not forge a log line."""
    return text.encode('unicode_escape').decode('ascii')
