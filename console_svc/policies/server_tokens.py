# SPDX-License-Identifier: Apache-2.0

"""The rules of issuing tokens with terms: console-svc's own."""

from console_svc.policies import base, remote_consoles

CREATE_VIEW = 'console_svc:console-auth-tokens:create-view'
CREATE_CONTROL = 'console_svc:console-auth-tokens:create-control'

_PATH = '/servers/{server_id}/console-auth-tokens'

RULES = [
    base.rule(
        CREATE_VIEW,
        base.PROJECT_READER_OR_ADMIN,
        "Issue a console token with which a server's console can be watched",
        ('POST', _PATH),
    ),
    base.rule(
        CREATE_CONTROL,
        f'rule:{remote_consoles.CREATE}',
        "Issue a console token with terms, with which a server's console can "
        'be controlled',
        ('POST', _PATH),
    ),
]
