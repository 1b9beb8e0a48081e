# SPDX-License-Identifier: Apache-2.0

"""[rfb] the gateway for native VNC clients."""

from oslo_config import cfg

GROUP = 'rfb'

OPTIONS = [
    cfg.PortOpt(
        'listen_port',
        default=5900,
        help='Port of the gateway that all consoles share: who connects names '
        'the server. 0: none; each console has a port of its own, of '
        '[consoles] port_range.',
    ),
    cfg.IntOpt(
        'max_failures',
        default=10,
        min=1,
        help='Wrong passwords, one after another, after which a console is '
        'locked.',
    ),
    cfg.IntOpt(
        'lock_time',
        default=300,
        min=1,
        help='Seconds for which a console is then locked: even the right '
        'password opens it no more.',
    ),
]
