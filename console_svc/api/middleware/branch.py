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


def is_small(environ: WSGIEnvironment, limit: int) -> bool:
    """Whether a request certainly has no body, or a small one.

    :param limit: bytes
    """
    length = environ.get('CONTENT_LENGTH')
    if length:
        # int() refuses thousands of digits.
        return length.isdecimal() and len(length) < 20 and int(length) <= limit
    # A chunked body has no Content-Length: check GET and HEAD alone.
    return environ['REQUEST_METHOD'] in ('GET', 'HEAD')
