# SPDX-License-Identifier: Apache-2.0

"""Dispatch requests by a condition."""

from collections.abc import Callable, Iterable
from typing import Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

#: The version documents and the OpenAPI document: clients read them before
#: they have a token.
PUBLIC_PATHS: Final = frozenset({'', '/', '/openapi.json', '/v2.1', '/v2.1/'})


class Branch:
    """Sends a request to one of two applications.

    :param then: for requests of which the condition is true
    :param otherwise: for all others
    """

    def __init__(
        self,
        condition: Callable[[WSGIEnvironment], bool],
        then: WSGIApplication,
        otherwise: WSGIApplication,
    ) -> None:
        self._condition = condition
        self._then = then
        self._otherwise = otherwise

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        holds = self._condition(environ)
        app = self._then if holds else self._otherwise
        return app(environ, start_response)


def is_public(environ: WSGIEnvironment) -> bool:
    """Whether a request needs no token."""
    return environ.get('PATH_INFO', '') in PUBLIC_PATHS


def has_no_body(environ: WSGIEnvironment) -> bool:
    """Whether a request certainly has no body."""
    # A chunked body has no Content-Length: check GET and HEAD alone.
    without = environ['REQUEST_METHOD'] in ('GET', 'HEAD')
    return without and not environ.get('CONTENT_LENGTH')
