# SPDX-License-Identifier: Apache-2.0

"""[proxy] the console proxy."""

from oslo_config import cfg, types

GROUP = 'proxy'

OPTIONS = [
    cfg.StrOpt(
        'host',
        default='127.0.0.1',
        sample_default='192.0.2.20',
        help='Address to listen on.',
    ),
    cfg.ListOpt(
        'ports',
        item_type=types.Port(),
        default=['6080', '6082', '6083'],
        help='Ports to listen on. Each serves every type of console; the '
        'defaults are those of the default base URLs.',
    ),
    cfg.IntOpt(
        'workers',
        default=1,
        min=1,
        help='Processes. They share the ports, and nothing else.',
    ),
    cfg.ListOpt(
        'web',
        default=['/usr/share/novnc', '/usr/share/spice-html5'],
        help="Folders of the pages that users' browsers open: noVNC's and "
        "SPICE's. A file is looked for in each, in this order. Empty: no "
        'pages, another web server has them.',
    ),
    cfg.StrOpt(
        'cert',
        help='PEM file of the certificate, with what leads to its authority; '
        'with it the proxy speaks TLS. Read again on SIGHUP.',
    ),
    cfg.StrOpt(
        'key',
        help='PEM file of its private key, where that is not in the same '
        'file.',
    ),
    cfg.StrOpt(
        'ssl_minimum_version',
        default='tlsv1_2',
        choices=['tlsv1_2', 'tlsv1_3'],
        help='Oldest version of TLS.',
    ),
    cfg.StrOpt(
        'ssl_ciphers',
        help="Ciphers of TLS 1.2, in OpenSSL's notation; those of TLS 1.3 "
        'are all good.',
    ),
    cfg.ListOpt(
        'allowed_origins',
        default=[],
        sample_default=['dashboard.example.org'],
        help='Hosts whose pages may open consoles, besides the host that is '
        'asked itself.',
    ),
    cfg.BoolOpt(
        'enable_proxy_headers_parsing',
        default=False,
        help='Believe X-Forwarded-For and X-Forwarded-Proto. For proxies '
        'that only a load balancer can reach.',
    ),
    cfg.IntOpt(
        'max_sessions',
        default=2000,
        min=1,
        help='Sessions that a process has at a time; beyond them new ones '
        'are refused.',
    ),
    cfg.IntOpt(
        'handshake_timeout',
        default=10,
        min=1,
        help='Seconds until a client must have said what it wants, and a '
        'hypervisor must have let the proxy in.',
    ),
    cfg.IntOpt(
        'idle_timeout',
        default=0,
        min=0,
        help='Seconds after which a session ends on which nothing moves, '
        'either way; 0: never. Mind that an idle guest moves nothing.',
    ),
    cfg.IntOpt(
        'keep_interval',
        default=3,
        min=1,
        help='Seconds between two questions to the API whether the sessions '
        'go on: so long a session lives on that was ended there. Keep it '
        'well below [consoleauth] session_lapse.',
    ),
    cfg.IntOpt(
        'ping_interval',
        default=30,
        min=0,
        help='Seconds between two pings of a browser; one that does not '
        'answer for as long is gone. 0: none.',
    ),
    cfg.IntOpt(
        'drain_timeout',
        default=60,
        min=0,
        help='Seconds that sessions may go on after SIGTERM, while no new '
        'ones are taken.',
    ),
    cfg.StrOpt(
        'local_host',
        default='127.0.0.1',
        help='Address on which /healthcheck and /metrics are served.',
    ),
    cfg.PortOpt(
        'local_port',
        default=6089,
        help='Port of /healthcheck and /metrics; 0: not served.',
    ),
]
