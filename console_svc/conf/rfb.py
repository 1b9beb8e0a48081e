# SPDX-License-Identifier: Apache-2.0

"""[rfb] the gateway for native VNC clients.

Both the proxy and the API read this group. The ports of individual consoles
are in ``[consoles] port_range``.
"""

from oslo_config import cfg

GROUP = 'rfb'

OPTIONS = [
    cfg.BoolOpt(
        'enabled',
        default=False,
        help='Accept native VNC clients in the console proxy, on listen_port '
        'and on the ports of [consoles] port_range.',
    ),
    cfg.StrOpt(
        'host',
        default='127.0.0.1',
        sample_default='192.0.2.20',
        help='Address to listen on for native clients; "::" includes IPv4.',
    ),
    cfg.PortOpt(
        'listen_port',
        default=5900,
        help='Port that all consoles share. The client names the server, by '
        'UUID or instance name: as the user name of VeNCrypt X509Plain or as '
        'the target of the security type xvp. Consoles without a port of '
        'their own report this port. 0: there is no such port.',
    ),
    cfg.StrOpt(
        'cert',
        help='PEM file with the certificate for native clients and its '
        'intermediate certificates. If set, the gateway offers TLS first. The '
        'file is read again on SIGHUP.',
    ),
    cfg.StrOpt(
        'key',
        help='PEM file with the private key of cert. If unset, the key is '
        'read from the file of the certificate.',
    ),
    cfg.BoolOpt(
        'require_tls',
        default=False,
        help='Refuse native clients that do not use TLS. Requires cert.',
    ),
    cfg.IntOpt(
        'max_connections_per_address',
        default=50,
        min=1,
        help='Number of concurrent connections of a worker from one client '
        'address, or from one IPv6 network of 64 bits. Further ones are reset '
        'when they are accepted. Increase it if many users share an address.',
    ),
    cfg.IntOpt(
        'max_failures',
        default=10,
        min=1,
        help='Number of successive wrong passwords from one address after '
        'which the API locks a console for this address. Addresses of the '
        'same IPv6 network of 64 bits count as one.',
    ),
    cfg.IntOpt(
        'max_failures_per_console',
        default=100,
        min=1,
        help='Number of successive wrong passwords from all addresses '
        'together after which the API locks a console for everyone. It '
        'should be much higher than max_failures, or an attacker with a few '
        'addresses can lock the owner out.',
    ),
    cfg.IntOpt(
        'lock_time',
        default=300,
        min=1,
        help='Seconds for which a console stays locked.',
    ),
]
