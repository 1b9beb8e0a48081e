# SPDX-License-Identifier: Apache-2.0

"""[vnc], [spice], [serial_console], [rdp], [mks]: base URLs of consoles.

A base URL is the URL of a console without its token. Names and defaults are
nova's, so that settings can be copied from nova.conf.
"""

from oslo_config import cfg


def _base_url(
    name: str, default: str, what: str, where: str = 'to its query'
) -> cfg.URIOpt:
    return cfg.URIOpt(
        name,
        default=default,
        schemes=['http', 'https', 'ws', 'wss'],
        help=f'Base URL of {what}, as clients reach it. The console token is '
        f'added {where}.',
    )


GROUPS = {
    'vnc': [
        _base_url(
            'novncproxy_base_url',
            'http://127.0.0.1:6080/vnc_auto.html',
            'the page for VNC, such as vnc.html (console type novnc)',
            where='inside its parameter "path"',
        ),
        _base_url(
            'xvpvncproxy_base_url',
            'http://127.0.0.1:6081/console',
            'the XVP VNC proxy (console type xvpvnc)',
        ),
    ],
    'spice': [
        _base_url(
            'html5proxy_base_url',
            'http://127.0.0.1:6082/spice_auto.html',
            'the page for SPICE, such as spice.html (console type '
            'spice-html5)',
        ),
        _base_url(
            'spice_direct_proxy_base_url',
            'http://127.0.0.1:13002/nova',
            'the connection files for native SPICE clients (console type '
            'spice-direct), on a port of [proxy] ports',
        ),
    ],
    'serial_console': [
        _base_url(
            'base_url',
            'ws://127.0.0.1:6083/',
            'the page for serial consoles, serial.html, or of the websocket '
            '(console type serial)',
        ),
    ],
    'rdp': [
        _base_url(
            'html5_proxy_base_url',
            'http://127.0.0.1:6083/',
            'the page for RDP, such as rdp.html (console type rdp-html5)',
        ),
    ],
    'mks': [
        _base_url(
            'mksproxy_base_url',
            'http://127.0.0.1:6090/',
            'the MKS proxy (console type webmks)',
        ),
    ],
}
