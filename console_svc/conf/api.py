# SPDX-License-Identifier: Apache-2.0

"""[api] the HTTP API."""

from oslo_config import cfg

GROUP = 'api'

OPTIONS = [
    cfg.StrOpt(
        'auth_strategy',
        default='keystone',
        choices=[
            (
                'keystone',
                'Tokens are validated by keystone, as configured in '
                '[keystone_authtoken].',
            ),
            (
                'noauth2',
                'For development only: the token USER:PROJECT[:ROLE,ROLE] '
                'is believed as it stands.',
            ),
        ],
        help='How callers are authenticated.',
    ),
    cfg.BoolOpt(
        'extensions',
        default=True,
        help="Serve the routes that are not the compute API's: sessions, "
        'and revoking tokens. Without them they are a 404.',
    ),
    cfg.IntOpt(
        'retry_after',
        default=5,
        min=1,
        help='Seconds that a 503 tells its client to wait (Retry-After).',
    ),
]
