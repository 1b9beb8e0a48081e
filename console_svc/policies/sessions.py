# SPDX-License-Identifier: Apache-2.0

"""Rules of console sessions, and of revoking tokens: console-svc's own."""

from console_svc.policies import base

CREATE = 'console_svc:sessions:create'
UPDATE = 'console_svc:sessions:update'
INDEX = 'console_svc:sessions:index'
DELETE = 'console_svc:sessions:delete'
REVOKE = 'console_svc:console-auth-tokens:delete'

_OF_TOKEN = '/os-console-auth-tokens/{console_token}'  # noqa: S105 (a path)
_OF_SERVER = '/servers/{server_id}/console-sessions'

RULES = [
    base.rule(
        CREATE,
        base.SERVICE_OR_ADMIN,
        'Use a console token: open a session, as a console proxy does',
        ('POST', f'{_OF_TOKEN}/sessions'),
    ),
    base.rule(
        UPDATE,
        base.SERVICE_OR_ADMIN,
        'Keep sessions alive or close one, as the console proxy does that '
        'opened them',
        ('PUT', '/console-sessions'),
        ('DELETE', '/console-sessions/{session_id}'),
    ),
    base.rule(
        INDEX,
        base.PROJECT_READER_OR_ADMIN,
        "List who is on a server's consoles now",
        ('GET', _OF_SERVER),
    ),
    base.rule(
        DELETE,
        base.PROJECT_MEMBER_OR_ADMIN,
        "End a session on a server's console",
        ('DELETE', f'{_OF_SERVER}/{{session_id}}'),
    ),
    base.rule(
        REVOKE,
        base.PROJECT_MEMBER_OR_ADMIN,
        'Revoke console tokens, and end their sessions',
        ('DELETE', _OF_TOKEN),
        ('DELETE', '/servers/{server_id}/console-auth-tokens'),
    ),
]
