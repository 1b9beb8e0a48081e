# SPDX-License-Identifier: Apache-2.0

"""Requests that go one way or another."""

from collections.abc import Callable, Iterable
from typing import Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

#: The version documents, and what describes the API: clients read them before
#: they have a token.
PUBLIC_PATHS: Final = frozenset({'', '/', '/openapi.json', '/v2.1', '/v2.1/'})


class Branch:
    """Sends a request one way where a condition holds, else the other.

    :param condition: asked of each request
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
    """Whether there is nothing that a limit of bodies could look after."""
    # Other methods may have one that ends where the server says so.
    without = environ['REQUEST_METHOD'] in ('GET', 'HEAD')
    return without and not environ.get('CONTENT_LENGTH')
