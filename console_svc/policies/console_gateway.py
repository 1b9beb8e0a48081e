# SPDX-License-Identifier: Apache-2.0

"""The rule of the gateway for native clients: console-svc's own."""

from console_svc.policies import base

AUTHENTICATE = 'console_svc:console-gateway:authenticate'

RULES = [
    base.rule(
        AUTHENTICATE,
        base.SERVICE_OR_ADMIN,
        'Log a native client in to its console, and open a session; for the '
        'gateway',
        ('POST', '/console-gateway/authentications'),
    ),
]
