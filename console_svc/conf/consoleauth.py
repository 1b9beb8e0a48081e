# SPDX-License-Identifier: Apache-2.0

"""[consoleauth] console tokens."""

from oslo_config import cfg

GROUP = 'consoleauth'

OPTIONS = [
    cfg.IntOpt(
        'token_ttl',
        default=600,
        min=1,
        help='Seconds that a console token can be used.',
    ),
    cfg.BoolOpt(
        'recheck_target',
        default=True,
        help='Ask the driver at each look-up whether the server, and its '
        'console, is still where the token leads; if not, the token leads '
        'nowhere. Guards against ports that another server has been given '
        'since. What the driver says is believed for a few seconds.',
    ),
    cfg.IntOpt(
        'max_uses',
        default=0,
        min=0,
        help='Sessions that a token can open; 0: no limit, 1: a token for '
        'a single use. A look-up is no use; the channels of a SPICE page are '
        'one together.',
    ),
    cfg.BoolOpt(
        'bind_to_client_address',
        default=False,
        help='Open sessions only for the address that asked for the token. '
        'Behind a load balancer [oslo_middleware] '
        'enable_proxy_headers_parsing tells the address.',
    ),
    cfg.IntOpt(
        'max_sessions_per_server',
        default=0,
        min=0,
        help='Sessions that a server can have at a time; 0: no limit.',
    ),
    cfg.StrOpt(
        'when_sessions_are_full',
        default='refuse',
        choices=[
            ('refuse', 'A session more is a 409.'),
            ('replace', 'The newest wins, and the oldest is ended.'),
        ],
        help='What happens beyond max_sessions_per_server.',
    ),
    cfg.BoolOpt(
        'enforce_session_timeout',
        default=False,
        help='End a session when its token expires.',
    ),
    cfg.IntOpt(
        'session_lapse',
        default=30,
        min=3,
        help='Seconds after which a session that its proxy does not keep '
        'alive has lapsed.',
    ),
    cfg.IntOpt(
        'purge_interval',
        default=0,
        min=0,
        help='Seconds between purges of expired tokens and lapsed sessions '
        'in the background of the API, by one process at a time across all '
        'hosts; 0: none, "console-svc-manage db purge-tokens" does it.',
    ),
]
