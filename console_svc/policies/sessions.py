# SPDX-License-Identifier: Apache-2.0

"""The rules of sessions and of revoking tokens: console-svc's own."""

from console_svc.policies import base

CREATE = 'console_svc:sessions:create'
UPDATE = 'console_svc:sessions:update'
INDEX = 'console_svc:sessions:index'
INDEX_ALL = 'console_svc:sessions:index:all'
DELETE = 'console_svc:sessions:delete'
SET_MODE = 'console_svc:sessions:set-mode'
REVOKE = 'console_svc:console-auth-tokens:delete'

_OF_TOKEN = '/os-console-auth-tokens/{console_token}'  # noqa: S105 (a path)
_OF_SERVER = '/servers/{server_id}/console-sessions'

RULES = [
    base.rule(
        CREATE,
        base.SERVICE_OR_ADMIN,
        'Open a session with a console token; for console proxies',
        ('POST', f'{_OF_TOKEN}/sessions'),
    ),
    base.rule(
        UPDATE,
        base.SERVICE_OR_ADMIN,
        'Keep sessions alive or close them; for the console proxy that opened '
        'them',
        ('PUT', '/console-sessions'),
        ('DELETE', '/console-sessions/{session_id}'),
    ),
    base.rule(
        INDEX,
        base.PROJECT_READER_OR_ADMIN,
        "List the sessions on a server's consoles: current ones, and the "
        'history',
        ('GET', _OF_SERVER),
    ),
    base.rule(
        INDEX_ALL,
        base.ADMIN,
        'List the sessions of the servers of all projects',
        ('GET', '/console-sessions'),
    ),
    base.rule(
        DELETE,
        base.PROJECT_MEMBER_OR_ADMIN,
        "End a session on a server's console",
        ('DELETE', f'{_OF_SERVER}/{{session_id}}'),
    ),
    base.rule(
        SET_MODE,
        base.PROJECT_MEMBER_OR_ADMIN,
        "Let the client of a session on a server's console control it, or "
        'only watch it',
        ('PUT', f'{_OF_SERVER}/{{session_id}}'),
    ),
    base.rule(
        REVOKE,
        base.PROJECT_MEMBER_OR_ADMIN,
        'Revoke console tokens, and end their sessions',
        ('DELETE', _OF_TOKEN),
        ('DELETE', '/servers/{server_id}/console-auth-tokens'),
    ),
]
