# SPDX-License-Identifier: Apache-2.0

"""The rule of issuing console tokens."""

from console_svc.policies import base

CREATE = 'os_compute_api:os-remote-consoles'

ACTION = '/servers/{server_id}/action'

RULES = [
    base.rule(
        CREATE,
        base.PROJECT_MEMBER_OR_ADMIN,
        "Issue a console token: get the URL of a server's console",
        ('POST', '/servers/{server_id}/remote-consoles'),
        ('POST', f'{ACTION} (os-getVNCConsole)'),
        ('POST', f'{ACTION} (os-getSPICEConsole)'),
        ('POST', f'{ACTION} (os-getSerialConsole)'),
        ('POST', f'{ACTION} (os-getRDPConsole)'),
    ),
]
