# SPDX-License-Identifier: Apache-2.0

"""Microversion headers."""

from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from console_svc import exception
from console_svc.api import microversion

_VARY = f'{microversion.STANDARD_HEADER}, {microversion.LEGACY_HEADER}'


class Microversion:
    """Reads the wanted version, and says in every answer which it was.

    A version that can't be served is kept for the router to refuse: nova,
    too, asks who the caller is (401) before it says anything else.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        wanted: object
        try:
            wanted = microversion.requested(environ)
            told = str(wanted)
        except exception.UnsupportedVersion as error:
            wanted, told = error, error.version
        except exception.InvalidVersion as error:
            wanted, told = error, str(microversion.MIN)
        environ[microversion.ENVIRON_KEY] = wanted
        service = microversion.SERVICE_TYPE

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Any:
            headers += [
                (microversion.STANDARD_HEADER, f'{service} {told}'),
                (microversion.LEGACY_HEADER, told),
                ('Vary', _VARY),
            ]
            return start_response(status, headers, exc_info)

        return self._app(environ, start)
