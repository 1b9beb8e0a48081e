# SPDX-License-Identifier: Apache-2.0

"""[consoles] password-protected consoles for native VNC clients."""

from collections.abc import Sequence
from typing import Any

from oslo_config import cfg, types

GROUP = 'consoles'


class PortRange(types.String):
    """Two ports and what is between them: FIRST-LAST."""

    def __call__(self, value: Any) -> str:
        text: str = super().__call__(value)
        try:
            first, last = map(int, text.split('-'))
        except ValueError:
            first = last = 0
        if not 0 < first <= last < 65536:
            raise ValueError(f'{text!r} is no range of ports like 20001-20999')
        return text


OPTIONS = [
    cfg.StrOpt(
        'public_hostname',
        default='localhost',
        sample_default='console.example.org',
        help='Host name or address that a native console reports where the '
        'driver does not know a better one.',
    ),
    cfg.StrOpt(
        'key_file',
        default='$state_path/console-keys',
        help='File of the Fernet keys that encrypt console passwords in the '
        'database: one a line, the first encrypts, all decrypt. Made with '
        'mode 0600 by "console-svc-manage db sync" on an empty database or '
        'by "console-svc-manage keys create"; read again when it changes. '
        'Every API host needs the same file.',
    ),
    cfg.StrOpt(
        'mode',
        choices=[
            ('driver', 'Clients connect to what the compute driver opens.'),
            ('gateway', 'Clients connect to the gateway, console-svc-proxy.'),
        ],
        help='How new native consoles are opened; those that are there stay '
        'as they are. Default: driver, if the compute driver can open native '
        'consoles, else gateway.',
    ),
    cfg.Opt(
        'port_range',
        type=PortRange(),
        sample_default='20001-20999',
        help='Ports of the gateway, first and last, of which each console '
        'gets one of its own; [rfb] listen_port is none of them. Unset: all '
        'share [rfb] listen_port.',
    ),
    cfg.IntOpt(
        'native_ttl',
        default=0,
        min=0,
        help='Seconds that a console on the gateway can be logged in to; 0: '
        'no limit.',
    ),
    cfg.IntOpt(
        'native_max_uses',
        default=0,
        min=0,
        help='Sessions that a console on the gateway can open; 0: no limit, '
        '1: a password for a single use.',
    ),
    cfg.BoolOpt(
        'bind_to_client_address',
        default=False,
        help='Let only the address log in to a console on the gateway that '
        'asked for it. Behind a load balancer [oslo_middleware] '
        'enable_proxy_headers_parsing tells the address.',
    ),
]


def own_ports(conf: cfg.ConfigOpts) -> Sequence[int]:
    """The gateway's ports of which each console gets one of its own.

    :raises oslo_config.cfg.Error: ``port_range`` is none
    """
    text = conf.consoles.port_range
    if text is None:
        return ()
    first, last = map(int, text.split('-'))
    return [
        port for port in range(first, last + 1) if port != conf.rfb.listen_port
    ]
