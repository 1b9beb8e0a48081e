# SPDX-License-Identifier: Apache-2.0

"""How many requests, and how long they take."""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import (
        StartResponse,
        WSGIApplication,
        WSGIEnvironment,
    )

#: Where the application leaves the class of the resource that was asked.
RESOURCE: Final = 'console_svc.resource'

#: Anybody may send any word for a method, and each would be kept for ever.
METHODS: Final = frozenset({'GET', 'POST', 'PUT', 'DELETE', 'OPTIONS'})
OTHER: Final = 'other'


class Measured:
    """Tells of each answer: method, route, status, seconds.

    :param tell: is told
    """

    def __init__(
        self,
        app: 'WSGIApplication',
        tell: Callable[[str, str, str, float], None],
    ) -> None:
        self._app = app
        self._tell = tell

    def __call__(
        self, environ: 'WSGIEnvironment', start_response: 'StartResponse'
    ) -> Iterable[bytes]:
        started = time.perf_counter()

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Any:
            self._tell(
                _method(environ['REQUEST_METHOD']),
                route(environ.get(RESOURCE)),
                status[:3],
                time.perf_counter() - started,
            )
            return start_response(status, headers, exc_info)

        return self._app(environ, start)


def route(resource: type | None) -> str:
    """The path of a resource's class, with names for ids.

    It stands in the class's docstring, and never has an id or a token.

    :param resource: None: the path leads nowhere, or the request was
        refused before it was asked where
    """
    if resource is None:
        return OTHER
    return (resource.__doc__ or resource.__name__).split()[0].rstrip(',:')


def _method(name: str) -> str:
    if name == 'HEAD':
        return 'GET'
    return name if name in METHODS else OTHER
