# SPDX-License-Identifier: Apache-2.0

"""[rfb] the gateway for native VNC clients, for the proxy and the API.

The ports of consoles that have one of their own are ``[consoles] port_range``.
"""

from oslo_config import cfg

GROUP = 'rfb'

OPTIONS = [
    cfg.BoolOpt(
        'enabled',
        default=False,
        help='Whether the console proxy lets native VNC clients in: on '
        'listen_port, and on the ports of [consoles] port_range.',
    ),
    cfg.StrOpt(
        'host',
        default='127.0.0.1',
        sample_default='192.0.2.20',
        help='Address to listen on.',
    ),
    cfg.PortOpt(
        'listen_port',
        default=5900,
        help='Port of all consoles, for clients that name one: by X509Plain '
        'of VeNCrypt (user name: UUID or instance name of the server), or by '
        'the security type xvp (target name). Consoles without a port of '
        'their own report this one. 0: none.',
    ),
    cfg.StrOpt(
        'cert',
        help='PEM file of the certificate for native clients, with what leads '
        'to its authority; with it they are offered TLS first. Read again on '
        'SIGHUP.',
    ),
    cfg.StrOpt(
        'key',
        help='PEM file of its private key, where that is not in the same '
        'file.',
    ),
    cfg.BoolOpt(
        'require_tls',
        default=False,
        help='Refuse native clients that do not speak TLS.',
    ),
    cfg.IntOpt(
        'max_connections_per_address',
        default=50,
        min=1,
        help='Connections that a process takes from one address at a time; '
        'more are hung up on. Mind addresses that many users share.',
    ),
    cfg.IntOpt(
        'max_failures',
        default=10,
        min=1,
        help='Wrong passwords in a row after which a console is locked. The '
        'API counts them.',
    ),
    cfg.IntOpt(
        'lock_time',
        default=300,
        min=1,
        help='Seconds that a console stays locked then.',
    ),
]
