# SPDX-License-Identifier: Apache-2.0

"""Callers that auth_token has accepted a moment ago."""

import copy
import hashlib
import threading
from collections.abc import Iterable
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import cachetools
from keystonemiddleware.auth_token import AuthProtocol
from oslo_utils import timeutils

from console_svc.api.request import CALLER
from console_svc.context import RequestContext

_CALLERS = 10_000

# What keystone says of a token that is good for any request. Another field
# may restrict it to some (access rules, binding): that, auth_token checks
# each time.
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
        # keystoneauth's own.
        'auth_token',
        'version',
    }
)


class CallerCache:
    """Who has come with which token within the last seconds.

    A console proxy asks with one token again and again. To read it from its
    cache, take it apart and write it into headers is a third of a look-up.

    :param seconds: how long auth_token is believed; 0: never
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
        """An application behind authentication, whose callers are kept."""

        def remember(
            environ: WSGIEnvironment, start_response: StartResponse
        ) -> Iterable[bytes]:
            self.remember(environ, environ[CALLER])
            return app(environ, start_response)

        return remember

    def remember(
        self, environ: WSGIEnvironment, context: RequestContext
    ) -> None:
        """Keep a caller whom auth_token has just accepted."""
        key = _key(environ)
        token = environ.get('keystone.token_info', {}).get('token', {})
        if key is None or not token or not token.keys() <= _PLAIN:
            return
        expires = timeutils.parse_isotime(token['expires_at']).timestamp()
        with self._lock:
            self._callers[key] = context, expires

    def recall(self, environ: WSGIEnvironment) -> RequestContext | None:
        """The context of a request with the same token as one before."""
        key = _key(environ)
        if key is None:
            return None
        with self._lock:
            found = self._callers.get(key)
        return None if found is None else copy.copy(found[0])


class AuthCache:
    """Sends the requests of recent callers past authentication.

    :param authentication: the way of all others
    :param direct: reads nothing of the caller but the context
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
        context.client_address = environ.get('REMOTE_ADDR')
        context.update_store()
        environ[CALLER] = context

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Any:
            if status.startswith('401'):
                # As auth_token does, which was not asked.
                uri = self._authentication.www_authenticate_uri
                headers.append(('WWW-Authenticate', f'Keystone uri="{uri}"'))
            return start_response(status, headers, exc_info)

        return self._direct(environ, start)


def _key(environ: WSGIEnvironment) -> bytes | None:
    """What a caller is remembered by: not the token itself.

    None where a second token makes more, or less, of the first.
    """
    token: str = environ.get('HTTP_X_AUTH_TOKEN', '')
    if not token or 'HTTP_X_SERVICE_TOKEN' in environ:
        return None
    return hashlib.sha256(token.encode('latin-1')).digest()
