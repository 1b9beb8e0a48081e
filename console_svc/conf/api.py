# SPDX-License-Identifier: Apache-2.0

"""[api] the HTTP API."""

from oslo_config import cfg, types

GROUP = 'api'

OPTIONS = [
    cfg.StrOpt(
        'auth_strategy',
        default='keystone',
        choices=[
            (
                'keystone',
                'Keystone validates tokens, as configured in '
                '[keystone_authtoken].',
            ),
            (
                'noauth2',
                'For development only. Any token of the form '
                'USER:PROJECT[:ROLE,ROLE] is accepted without validation.',
            ),
        ],
        help='How callers are authenticated.',
    ),
    cfg.IntOpt(
        'database_timeout',
        default=10,
        min=1,
        help='Seconds after which a request fails with a 503 if the database '
        'does not accept a connection or does not answer a statement. For '
        'MySQL, a time-out in the URL of [database] connection takes '
        'precedence.',
    ),
    cfg.BoolOpt(
        'extensions',
        default=True,
        help='Serve the routes that the compute API does not have: sessions '
        'and the revocation of tokens. The console proxy needs them. If '
        'disabled, they answer with a 404.',
    ),
    cfg.ListOpt(
        'forwarding_headers',
        item_type=types.String(
            choices=[
                'Forwarded',
                'X-Forwarded-For',
                'X-Forwarded-Host',
                'X-Forwarded-Prefix',
                'X-Forwarded-Proto',
            ]
        ),
        default=['X-Forwarded-For', 'X-Forwarded-Proto'],
        help='Headers in which the load balancer reports the address of the '
        'client and the URL of the request. Name only those that it sets or '
        'adds an element to in each request: a client can forge the others. '
        'With Forwarded (RFC 7239), X-Forwarded-For, X-Forwarded-Proto and '
        'X-Forwarded-Host are ignored. X-Forwarded-Host, X-Forwarded-Prefix '
        'and Forwarded change the links in responses. Only used if '
        '[oslo_middleware] enable_proxy_headers_parsing is on.',
    ),
    cfg.IntOpt(
        'max_limit',
        default=1000,
        min=1,
        help='The largest number of servers in a response. Clients get the '
        'others page by page.',
    ),
    cfg.BoolOpt(
        'recordings',
        default=False,
        help='List, return and delete recordings of sessions, and give access '
        'to the page that plays them. This host needs the options "storage" '
        'and "key_file" of [recording] and those of the storage as the '
        'console proxies have them. If disabled, these routes answer with a '
        '404.',
    ),
    cfg.IntOpt(
        'remember_callers',
        default=5,
        min=0,
        help='Seconds for which a token that keystonemiddleware has validated '
        'is accepted again without another validation; 0: none. A higher '
        'value saves CPU time, but a revoked token remains valid for this '
        'time in addition to [keystone_authtoken] token_cache_time. Expired '
        'tokens are not accepted in any case.',
    ),
    cfg.IntOpt(
        'retry_after',
        default=5,
        min=1,
        help='Retry-After header of 503 responses: the seconds for which '
        'clients should wait before they retry.',
    ),
    cfg.BoolOpt(
        'servers',
        default=True,
        help='List and show servers (GET /servers, /servers/detail and '
        '/servers/{server_id}) for clients that look a server up by its name, '
        'such as openstackclient. This has no effect with [compute] driver = '
        'nova: nova serves these requests. If disabled, they answer with a '
        '404.',
    ),
    cfg.IntOpt(
        'trusted_hops',
        default=1,
        min=1,
        help='Number of load balancers through which each request passes. '
        'Each adds one element to the forwarding headers. The client can '
        'forge the elements before those. Only used if [oslo_middleware] '
        'enable_proxy_headers_parsing is on.',
    ),
]
