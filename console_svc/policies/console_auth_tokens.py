# SPDX-License-Identifier: Apache-2.0

"""Rule of the token look-up."""

from console_svc.policies import base

SHOW = 'os_compute_api:os-console-auth-tokens'

RULES = [
    base.rule(
        SHOW,
        base.SERVICE_OR_ADMIN,
        'Show where a console token leads',
        ('GET', '/os-console-auth-tokens/{console_token}'),
    ),
]
