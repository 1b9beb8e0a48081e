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
]
