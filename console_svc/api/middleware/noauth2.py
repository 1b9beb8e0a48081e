# SPDX-License-Identifier: Apache-2.0

"""Authentication for development: any token is accepted."""

import logging
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from console_svc import exception

LOG = logging.getLogger(__name__)

_ADMIN_ROLES = 'admin,member,reader'
_USER_ROLES = 'member,reader'

# The database has room for user and project ids of this length.
_LONGEST = 255

#: Prefixes of the headers that keystonemiddleware removes from requests.
IDENTITY = (
    'HTTP_OPENSTACK_SYSTEM_SCOPE',
    'HTTP_X_DOMAIN_',
    'HTTP_X_IDENTITY_STATUS',
    'HTTP_X_IS_ADMIN_PROJECT',
    'HTTP_X_PROJECT_',
    'HTTP_X_ROLE',
    'HTTP_X_SERVICE_',
    'HTTP_X_TENANT',
    'HTTP_X_USER',
)


class NoAuth2:
    """Reads ``X-Auth-Token: USER:PROJECT[:ROLE,ROLE...]``.

    The project defaults to the user's name. The roles default to admin,
    member and reader for the user admin, and to member and reader for others.

    :raises console_svc.exception.NotAuthenticated: the request has no
        token, the token has no user, or it is longer than keystone's ids or
        not printable
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        LOG.warning(
            '[api] auth_strategy is noauth2: clients choose their own user '
            'and roles, without a password. Use it for development only.'
        )

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        for name in [key for key in environ if key.startswith(IDENTITY)]:
            del environ[name]
        token = environ.get('HTTP_X_AUTH_TOKEN', '').strip()
        user, _, rest = token.partition(':')
        project, has_roles, roles = rest.partition(':')
        if not user or len(token) > _LONGEST or not token.isprintable():
            raise exception.NotAuthenticated
        if not has_roles:
            roles = _ADMIN_ROLES if user == 'admin' else _USER_ROLES
        environ['HTTP_X_IDENTITY_STATUS'] = 'Confirmed'
        environ['HTTP_X_USER_ID'] = user
        environ['HTTP_X_PROJECT_ID'] = project or user
        environ['HTTP_X_ROLES'] = roles

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Any:
            if status.startswith('401'):
                # As auth_token does (RFC 9110, section 11.6.1).
                headers += exception.NotAuthenticated().headers.items()
            return start_response(status, headers, exc_info)

        return self._app(environ, start)
