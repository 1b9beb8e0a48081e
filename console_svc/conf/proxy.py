# SPDX-License-Identifier: Apache-2.0

"""[proxy] the console proxy."""

from typing import Final

from oslo_config import cfg, types

from console_svc.conf.origin_types import AllowedOrigin, FrameAncestor

GROUP = 'proxy'

#: The element of [proxy] web that stands for the pages of this package.
OWN_PAGES: Final = 'console-svc'

# The pages of noVNC and of the SPICE HTML5 client have scripts and styles
# inside, images as data, and (SPICE's) handlers in attributes and video from a
# MediaSource.
_POLICY: Final = '; '.join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    )
)

OPTIONS = [
    cfg.StrOpt(
        'host',
        default='127.0.0.1',
        sample_default='192.0.2.20',
        help='Address to listen on for browsers; "::" includes IPv4.',
    ),
    cfg.ListOpt(
        'ports',
        item_type=types.Port(),
        default=['6080', '6082', '6083'],
        help='Ports to listen on. Each serves all console types. The defaults '
        'are the ports of the default base URLs.',
    ),
    cfg.IntOpt(
        'workers',
        default=1,
        min=1,
        help='Number of worker processes. They share the ports and nothing '
        'else. One worker uses at most one CPU core.',
    ),
    cfg.ListOpt(
        'web',
        default=[OWN_PAGES, '/usr/share/novnc', '/usr/share/spice-html5'],
        help='Directories with the pages that browsers open, searched in this '
        f'order. "{OWN_PAGES}" stands for the pages of this package: '
        'vnc.html, serial.html, spice.html and rdp.html. The others are those '
        'of noVNC and of the SPICE HTML5 client as Debian has them. The '
        "proxy's own ticket.js replaces that of the SPICE HTML5 client. If "
        'empty, the proxy serves no pages, and another web server must.',
    ),
    cfg.BoolOpt(
        'clipboard_to_guest',
        default=True,
        help='Whether the pages of this package have buttons that send the '
        "text of the browser's clipboard to the server, or type it. The "
        'proxy does not inspect the data of consoles: other clients are not '
        'affected.',
    ),
    cfg.BoolOpt(
        'clipboard_from_guest',
        default=True,
        help='Whether the pages of this package show and copy the text of the '
        "server's clipboard. The proxy does not inspect the data of consoles: "
        'other clients are not affected.',
    ),
    cfg.StrOpt(
        'content_security_policy',
        default=_POLICY,
        # What a header may contain, and several lines.
        regex=r'\A[\t\n\x20-\x7e]*\Z',
        help='The header Content-Security-Policy of the pages, without its '
        'directive frame-ancestors. The default suits the pages of noVNC and '
        'of the SPICE HTML5 client, which contain scripts. Change it if other '
        'pages need more, such as websockets to another host. The pages of '
        'this package have a stricter policy of their own instead.',
    ),
    cfg.ListOpt(
        'frame_ancestors',
        item_type=FrameAncestor(),
        default=['*'],
        sample_default=['self', 'https://dashboard.example.org'],
        help='Pages that may embed the pages in a frame, as a dashboard does: '
        'hosts as in the directive frame-ancestors of a content security '
        'policy, "self" for the proxy itself, "none", or "*" for all.',
    ),
    cfg.IntOpt(
        'hsts_max_age',
        default=31_536_000,
        min=0,
        help='Seconds for which browsers use only TLS for the host of a page, '
        'with all its ports (Strict-Transport-Security). Only sent over TLS, '
        'also that of a load balancer if enable_proxy_headers_parsing is on. '
        '0: browsers forget an earlier value.',
    ),
    cfg.StrOpt(
        'cert',
        help='PEM file with the certificate for browsers and its intermediate '
        'certificates. If set, the proxy serves TLS only. The file is read '
        'again on SIGHUP.',
    ),
    cfg.StrOpt(
        'key',
        help='PEM file with the private key of cert. If unset, the key is '
        'read from the file of the certificate.',
    ),
    cfg.StrOpt(
        'ssl_minimum_version',
        default='tlsv1_2',
        choices=['tlsv1_2', 'tlsv1_3'],
        help='Minimum TLS version for browsers and native clients.',
    ),
    cfg.StrOpt(
        'ssl_ciphers',
        help="Cipher suites of TLS 1.2 in OpenSSL's format. Those of TLS 1.3 "
        'are not affected.',
    ),
    cfg.ListOpt(
        'allowed_origins',
        item_type=AllowedOrigin(),
        default=[],
        sample_default=['dashboard.example.org'],
        help='Hosts whose pages may open consoles, in addition to the host '
        "and port of the proxy's own URL. With a port, as in "
        'dashboard.example.org:8443, pages of this port only; with a scheme, '
        'as in https://dashboard.example.org, pages of this scheme only.',
    ),
    cfg.BoolOpt(
        'enable_proxy_headers_parsing',
        default=False,
        help='Trust the headers X-Forwarded-For and X-Forwarded-Proto. Enable '
        'it only if the proxy can be reached through a load balancer alone.',
    ),
    cfg.IntOpt(
        'trusted_hops',
        default=1,
        min=1,
        help='Number of load balancers through which each request passes. '
        'Each adds one element to X-Forwarded-For. The client can forge the '
        'elements before those. Only used if enable_proxy_headers_parsing is '
        'on.',
    ),
    cfg.IntOpt(
        'max_sessions',
        default=2000,
        min=1,
        help='Number of concurrent sessions of a worker. Further ones are '
        'refused.',
    ),
    cfg.IntOpt(
        'max_connections_per_address',
        default=500,
        min=1,
        help='Number of concurrent connections of a worker from browsers of '
        'one client address, or of one IPv6 network of 64 bits. Further ones '
        'are reset when they are accepted, before TLS. Increase it if many '
        'users share an address. It has no effect if '
        'enable_proxy_headers_parsing is on: then all connections come from '
        'the load balancer, which must limit its clients itself.',
    ),
    cfg.IntOpt(
        'max_opens_per_address',
        default=4,
        min=1,
        help='Number of sessions that a worker opens at a time at the API for '
        'one client address, or for one IPv6 network of 64 bits. Further ones '
        'wait for their turn, for handshake_timeout at most. It keeps a flood '
        'of wrong tokens or passwords from delaying other addresses. Increase '
        'it if many users share an address. Log-ins of native clients have '
        'the same limit, and are counted separately.',
    ),
    cfg.IntOpt(
        'handshake_timeout',
        default=10,
        min=1,
        help='Seconds for the handshake with a client, and for that with a '
        'hypervisor. After that, the connection is closed. Also seconds in '
        'which a browser must receive a part of a page.',
    ),
    cfg.IntOpt(
        'http_idle_timeout',
        default=75,
        min=1,
        help='Seconds for which a connection of a browser or load balancer '
        'is kept open for another page. Keep it above the same time-out of '
        'load balancers: they use a connection while it is closed otherwise.',
    ),
    cfg.IntOpt(
        'max_header_size',
        default=64 * 1024,
        min=1024,
        help='Most bytes of the target and the headers of a request. '
        'Cookies of other applications on the same host count. Larger '
        'requests get a 431.',
    ),
    cfg.IntOpt(
        'idle_timeout',
        default=0,
        min=0,
        help='Seconds without input after which a session is closed: keys, '
        'the mouse, text; 0: never. What the guest shows does not count, nor '
        'what clients send by themselves. It also holds for sessions that '
        'only view.',
    ),
    cfg.BoolOpt(
        'hand_over',
        default=True,
        help='Whether the mode of an open session can change, between control '
        'and view. The proxy then parses what clients send from the start. If '
        'disabled, a session that must not control its console any more is '
        'closed, except where idle_timeout requires parsing, too.',
    ),
    cfg.IntOpt(
        'keep_interval',
        default=3,
        min=1,
        help='Seconds between two keep-alive requests to the API. A session '
        'that was ended through the API is closed within this time. Keep it '
        'well below [consoleauth] session_lapse.',
    ),
    cfg.IntOpt(
        'ping_interval',
        default=30,
        min=0,
        help='Seconds between two websocket pings to a browser. If it does '
        'not answer within the same time, and no data moves either, the '
        'session is closed. 0: no pings.',
    ),
    cfg.IntOpt(
        'drain_timeout',
        default=60,
        min=0,
        help='Seconds for which open sessions may continue after SIGTERM. No '
        'new sessions are accepted meanwhile.',
    ),
    cfg.StrOpt(
        'local_host',
        default='127.0.0.1',
        help='Address on which /healthcheck and /metrics are served.',
    ),
    cfg.PortOpt(
        'local_port',
        default=6089,
        help='Port on which /healthcheck and /metrics are served; 0: they '
        'are not served.',
    ),
]
