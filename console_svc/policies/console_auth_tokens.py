# SPDX-License-Identifier: Apache-2.0

"""The rule of the token look-up."""

from console_svc.policies import base

SHOW = 'os_compute_api:os-console-auth-tokens'

RULES = [
    base.rule(
        SHOW,
        base.SERVICE_OR_ADMIN,
        'Look up a console token: show where its console is',
        ('GET', '/os-console-auth-tokens/{console_token}'),
    ),
]
