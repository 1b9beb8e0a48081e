# SPDX-License-Identifier: Apache-2.0

"""Rule of the gateway for native clients: console-svc's own."""

from console_svc.policies import base

AUTHENTICATE = 'console_svc:console-gateway:authenticate'

RULES = [
    base.rule(
        AUTHENTICATE,
        base.SERVICE_OR_ADMIN,
        'Check who logs in to a native console, and open a session, as the '
        'gateway does',
        ('POST', '/console-gateway/authentications'),
    ),
]
