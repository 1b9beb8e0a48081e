# SPDX-License-Identifier: Apache-2.0

"""Who may have a body, and who has none."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import (
        StartResponse,
        WSGIApplication,
        WSGIEnvironment,
    )


class WhereBody:
    """Spares requests without a body what looks after bodies.

    :param guarded: the way of a request with a body
    :param direct: that of others
    """

    def __init__(
        self, guarded: 'WSGIApplication', direct: 'WSGIApplication'
    ) -> None:
        self._guarded = guarded
        self._direct = direct

    def __call__(
        self, environ: 'WSGIEnvironment', start_response: 'StartResponse'
    ) -> Iterable[bytes]:
        # Other methods may have one that ends where the server says so.
        none = environ['REQUEST_METHOD'] in ('GET', 'HEAD')
        direct = none and not environ.get('CONTENT_LENGTH')
        app = self._direct if direct else self._guarded
        return app(environ, start_response)
