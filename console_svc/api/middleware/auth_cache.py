# SPDX-License-Identifier: Apache-2.0

"""A cache of callers, in front of auth_token."""

import copy
import hashlib
import threading
from collections.abc import Iterable
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import cachetools
from keystonemiddleware.auth_token import AuthProtocol
from oslo_utils import timeutils

from console_svc import addresses
from console_svc.api.request import CALLER
from console_svc.context import RequestContext

_CALLERS = 10_000

# The fields of a token that is valid for every request. Any other field can
# restrict it (access rules, binding); auth_token checks that each time.
_PLAIN: Final = frozenset(
    {
        'audit_ids',
        'catalog',
        'domain',
        'expires_at',
        'is_admin_project',
        'is_domain',
        'issued_at',
        'methods',
        'project',
        'roles',
        'system',
        'user',
        # Added by keystoneauth.
        'auth_token',
        'version',
    }
)


class CallerCache:
    """The callers that auth_token has accepted, by their token.

    A console proxy sends the same token each time. Reading it from the cache
    of auth_token, parsing it and writing its headers takes a third of a
    look-up.

    :param seconds: how long a caller is kept; 0: the cache is off
    """

    def __init__(self, seconds: int) -> None:
        self._callers: cachetools.TLRUCache[
            bytes, tuple[RequestContext, float]
        ] = cachetools.TLRUCache(
            _CALLERS,
            ttu=lambda key, caller, now: min(now + seconds, caller[1]),
            timer=timeutils.utcnow_ts,
        )
        self._lock = threading.Lock()

    def remembering(self, app: WSGIApplication) -> WSGIApplication:
        """Middleware behind authentication that keeps each caller."""

        def remember(
            environ: WSGIEnvironment, start_response: StartResponse
        ) -> Iterable[bytes]:
            self.remember(environ, environ[CALLER])
            return app(environ, start_response)

        return remember

    def remember(
        self, environ: WSGIEnvironment, context: RequestContext
    ) -> None:
        """Keep a caller that auth_token has just accepted."""
        key = _key(environ)
        token = environ.get('keystone.token_info', {}).get('token', {})
        if key is None or not token or not token.keys() <= _PLAIN:
            return
        expires = timeutils.parse_isotime(token['expires_at']).timestamp()
        with self._lock:
            self._callers[key] = context, expires

    def recall(self, environ: WSGIEnvironment) -> RequestContext | None:
        """The context of a request whose caller is known, by its token."""
        key = _key(environ)
        if key is None:
            return None
        with self._lock:
            found = self._callers.get(key)
        return None if found is None else copy.copy(found[0])


class AuthCache:
    """Lets the requests of known callers bypass authentication.

    :param authentication: for all other requests
    :param direct: for known callers; it may read the context alone, as
        auth_token's headers are missing
    """

    def __init__(
        self,
        callers: CallerCache,
        authentication: AuthProtocol,
        direct: WSGIApplication,
    ) -> None:
        self._callers = callers
        self._authentication = authentication
        self._direct = direct

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        context = self._callers.recall(environ)
        if context is None:
            answer: Iterable[bytes] = self._authentication(
                environ, start_response
            )
            return answer
        context.request_id = environ['openstack.request_id']
        context.global_request_id = environ.get('openstack.global_request_id')
        context.client_address = addresses.find(environ.get('REMOTE_ADDR'))
        context.update_store()
        environ[CALLER] = context

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Any:
            if status.startswith('401'):
                # auth_token, which adds it, was bypassed.
                uri = self._authentication.www_authenticate_uri
                headers.append(('WWW-Authenticate', f'Keystone uri="{uri}"'))
            return start_response(status, headers, exc_info)

        return self._direct(environ, start)


def _key(environ: WSGIEnvironment) -> bytes | None:
    """The key of a caller: a hash, so that the cache holds no tokens.

    None if the request cannot be cached: a service token changes what the
    caller may do.
    """
    token: str = environ.get('HTTP_X_AUTH_TOKEN', '')
    if not token or 'HTTP_X_SERVICE_TOKEN' in environ:
        return None
    return hashlib.sha256(token.encode('latin-1')).digest()
