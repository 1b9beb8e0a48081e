# SPDX-License-Identifier: Apache-2.0

"""[consoleauth] console tokens."""

from oslo_config import cfg

GROUP = 'consoleauth'

OPTIONS = [
    cfg.IntOpt(
        'token_ttl',
        default=600,
        min=1,
        help='Seconds for which a console token is valid.',
    ),
    cfg.IntOpt(
        'max_token_ttl',
        min=1,
        help='The longest time, in seconds, for which users can ask a token '
        'to be valid with POST /servers/{server_id}/console-auth-tokens. By '
        'default, and if it is less, token_ttl.',
    ),
    cfg.BoolOpt(
        'recheck_target',
        default=True,
        help='Check with the compute driver at each token look-up that the '
        'console is still where the token leads. If it is not, the look-up '
        'fails. This prevents access to another server that has been '
        "assigned the same port since. The driver's answers are cached for a "
        'few seconds.',
    ),
    cfg.IntOpt(
        'max_uses',
        default=0,
        min=0,
        help='Number of sessions that a token can open; 0: no limit, 1: '
        'single-use tokens. A look-up does not count as a use. The channels '
        'of a SPICE page together count as one use, and so does a page that '
        'is reloaded from the same address within 10 seconds.',
    ),
    cfg.IntOpt(
        'max_unused_tokens',
        default=0,
        min=0,
        help='Number of tokens that a user can have for one server without '
        'having opened a session with them; 0: no limit. Another token '
        'replaces the oldest of them. A look-up does not count as a use: if '
        'proxies other than console-svc-proxy look tokens up, set it to the '
        'number of consoles that a user can have open.',
    ),
    cfg.IntOpt(
        'resume_time',
        default=60,
        min=0,
        help='Seconds for which a browser that has lost its connection can '
        'resume its session, with a cookie of the proxy and from the same '
        'client address. This is not a use of the token, which may have '
        'expired meanwhile. A session that was ended through the API, or '
        'whose token was revoked, cannot be resumed. 0: no session can be '
        'resumed.',
    ),
    cfg.BoolOpt(
        'bind_to_client_address',
        default=False,
        help='Open sessions only for the client address that requested the '
        'token. Behind a load balancer, also enable [oslo_middleware] '
        'enable_proxy_headers_parsing.',
    ),
    cfg.IntOpt(
        'max_sessions_per_server',
        default=0,
        min=0,
        help='Number of concurrent sessions of a server; 0: no limit.',
    ),
    cfg.StrOpt(
        'when_sessions_are_full',
        default='refuse',
        choices=[
            ('refuse', 'The new session is refused with a 409.'),
            ('replace', 'The new session is opened, and the oldest ends.'),
        ],
        help='What happens when a session is opened and the server already '
        'has max_sessions_per_server sessions.',
    ),
    cfg.IntOpt(
        'max_sessions_per_user',
        default=0,
        min=0,
        help='Number of concurrent sessions of a user, on all servers; 0: no '
        'limit. A session is that of the user who requested its token. The '
        'next one is refused with a 403. All channels of a SPICE page count '
        'as one.',
    ),
    cfg.BoolOpt(
        'use_unified_limits',
        default=False,
        help='Limit the concurrent sessions and the unused tokens of each '
        'project by the unified limits of keystone. The next session or token '
        'is refused with a 403. The resources are console_sessions and '
        'console_auth_tokens: both need a registered limit, as a project can '
        'have none of a resource without one. [oslo_limit] must have a '
        'credential and the endpoint of this service.',
    ),
    cfg.IntOpt(
        'unified_limits_cache_time',
        default=60,
        min=0,
        help='Seconds for which each API process caches the limits of a '
        'project: after a change in keystone, the old limit may be in force '
        'for this time. 0: each session and each token waits for keystone.',
    ),
    cfg.BoolOpt(
        'allow_takeover',
        default=False,
        help='Let a client that opens a console with a token for control, and '
        'with "takeover=1" in the query of its websocket, end the sessions of '
        'others that control the same console. They see the ID of the user '
        'who has taken it over. If this is off, only members of the project '
        'can end sessions, through the API.',
    ),
    cfg.BoolOpt(
        'enforce_session_timeout',
        default=False,
        help='End a session when its token expires. By default, the expiry '
        'of a token does not affect open sessions.',
    ),
    cfg.IntOpt(
        'max_session_time',
        default=0,
        min=0,
        help='Seconds after which a session ends, whatever its token; 0: no '
        'limit. A session that resumes another one has the time that is left '
        'of that one. A further session of the same token has its own time: '
        'see max_uses.',
    ),
    cfg.IntOpt(
        'session_lapse',
        default=30,
        min=3,
        help='Seconds without a keep-alive after which a session lapses. It '
        'must be several times [proxy] keep_interval, and longer than the '
        'clocks of the API hosts differ. After twice this time, the purge '
        'deletes the session.',
    ),
    cfg.IntOpt(
        'history_days',
        default=30,
        min=0,
        help='Days for which sessions that have ended stay in the history: '
        'user, client address, server, console type and mode, when they began '
        'and ended, why they ended, and the bytes each way. The purge deletes '
        'older ones. These are personal data: keep them no longer than your '
        'rules allow. 0: sessions that end are not recorded.',
    ),
    cfg.IntOpt(
        'purge_interval',
        default=0,
        min=0,
        help='Seconds between two purges of expired tokens and lapsed '
        'sessions, which the API runs in the background. Only one API process '
        'of all hosts purges at a time. 0: the API does not purge; run '
        '"console-svc-manage db purge-tokens" regularly.',
    ),
]
