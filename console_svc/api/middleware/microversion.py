# SPDX-License-Identifier: Apache-2.0

"""The microversion headers of requests and responses."""

from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from console_svc import exception
from console_svc.api import microversion

_VARY = f'{microversion.STANDARD_HEADER}, {microversion.LEGACY_HEADER}'


class Microversion:
    """Reads the requested version, and adds it to the response.

    An error in it is left to the controllers: like nova, the API checks
    authentication (401) first.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        version: object
        try:
            version = microversion.requested(environ)
            text = str(version)
        except exception.UnsupportedVersion as error:
            version, text = error, error.version
        except exception.InvalidVersion as error:
            version, text = error, str(microversion.MIN)
        environ[microversion.ENVIRON_KEY] = version
        service = microversion.SERVICE_TYPE

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Any:
            headers += [
                (microversion.STANDARD_HEADER, f'{service} {text}'),
                (microversion.LEGACY_HEADER, text),
                ('Vary', _VARY),
            ]
            return start_response(status, headers, exc_info)

        return self._app(environ, start)
