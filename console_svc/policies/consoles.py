# SPDX-License-Identifier: Apache-2.0

"""The rules of native consoles."""

from console_svc.policies import base

INDEX = 'os_compute_api:os-consoles:index'
CREATE = 'os_compute_api:os-consoles:create'
SHOW = 'os_compute_api:os-consoles:show'
DELETE = 'os_compute_api:os-consoles:delete'

COLLECTION = '/servers/{server_id}/consoles'
RESOURCE = '/servers/{server_id}/consoles/{console_id}'

RULES = [
    base.rule(
        INDEX,
        base.PROJECT_READER_OR_ADMIN,
        "List a server's native consoles",
        ('GET', COLLECTION),
    ),
    base.rule(
        CREATE,
        base.PROJECT_MEMBER_OR_ADMIN,
        'Open a native console of a server',
        ('POST', COLLECTION),
    ),
    base.rule(
        SHOW,
        base.PROJECT_MEMBER_OR_ADMIN,
        'Show a native console: where it is, and its password',
        ('GET', RESOURCE),
    ),
    base.rule(
        DELETE,
        base.PROJECT_MEMBER_OR_ADMIN,
        'Close a native console',
        ('DELETE', RESOURCE),
    ),
]
