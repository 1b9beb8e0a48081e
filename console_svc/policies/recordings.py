# SPDX-License-Identifier: Apache-2.0

"""The rules of recordings: console-svc's own."""

from console_svc.policies import base

INDEX = 'console_svc:console-recordings:index'
READ = 'console_svc:console-recordings:read'
RECORD = 'console_svc:console-recordings:record'
DELETE = 'console_svc:console-recordings:delete'
PLAY = 'console_svc:console-recording-reads:create'

_OF_SERVER = '/servers/{server_id}/console-recordings'
_RECORDING = f'{_OF_SERVER}/{{recording_id}}'

RULES = [
    base.rule(
        INDEX,
        base.PROJECT_MANAGER_OR_ADMIN,
        "List the recordings of sessions on a server's consoles",
        ('GET', _OF_SERVER),
        ('GET', _RECORDING),
    ),
    base.rule(
        READ,
        base.PROJECT_MANAGER_OR_ADMIN,
        'Read a recording: what was on a console',
        ('GET', f'{_RECORDING}/content'),
        ('POST', f'{_RECORDING}/access'),
    ),
    base.rule(
        DELETE,
        base.PROJECT_MANAGER_OR_ADMIN,
        'Delete a recording',
        ('DELETE', _RECORDING),
    ),
    base.rule(
        RECORD,
        base.NOBODY,
        'Whose sessions must be recorded, whatever the console proxies record '
        'otherwise: those of users who pass this rule when they get a console '
        'URL or token, or open a native console',
        ('POST', '/servers/{server_id}/remote-consoles'),
        ('POST', '/servers/{server_id}/console-auth-tokens'),
        ('POST', '/servers/{server_id}/consoles'),
        ('POST', '/servers/{server_id}/action'),
    ),
    base.rule(
        PLAY,
        base.SERVICE_OR_ADMIN,
        'Ask which recording may be read with a token; for console proxies, '
        'which have the recordings',
        ('POST', '/console-recording-reads'),
    ),
]
