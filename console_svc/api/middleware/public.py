# SPDX-License-Identifier: Apache-2.0

"""What needs no token."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import (
        StartResponse,
        WSGIApplication,
        WSGIEnvironment,
    )

#: The version documents: clients read them before they have a token.
PATHS: Final = frozenset({'', '/', '/v2.1', '/v2.1/'})


class ExceptPublic:
    """Sends requests of public paths past authentication.

    :param private: the authenticated way to the application
    :param public: the direct one
    """

    def __init__(
        self, private: 'WSGIApplication', public: 'WSGIApplication'
    ) -> None:
        self._private = private
        self._public = public

    def __call__(
        self, environ: 'WSGIEnvironment', start_response: 'StartResponse'
    ) -> Iterable[bytes]:
        public = environ.get('PATH_INFO', '') in PATHS
        app = self._public if public else self._private
        return app(environ, start_response)
