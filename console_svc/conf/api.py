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
    cfg.IntOpt(
        'database_timeout',
        default=10,
        min=1,
        help='Seconds that the database may take to accept a connection, or '
        'to answer a statement, before the request becomes a 503. What the '
        'URL in [database] connection says of a time-out goes before.',
    ),
    cfg.BoolOpt(
        'extensions',
        default=True,
        help="Serve the routes that are not the compute API's: sessions, "
        'and revoking tokens. Without them they are a 404.',
    ),
    cfg.IntOpt(
        'remember_callers',
        default=5,
        min=0,
        help='Seconds that a caller whom keystonemiddleware has accepted is '
        'let in again with the same token without asking it; 0: none. A token '
        'that is revoked works as much longer, beyond [keystone_authtoken] '
        'token_cache_time; one that expires does not.',
    ),
    cfg.IntOpt(
        'retry_after',
        default=5,
        min=1,
        help='Seconds that a 503 tells its client to wait (Retry-After).',
    ),
]
