# SPDX-License-Identifier: Apache-2.0

"""[consoles] password-protected consoles for native VNC clients."""

from collections.abc import Sequence
from typing import Any

from oslo_config import cfg, types

GROUP = 'consoles'


class PortRange(types.ConfigType):
    """A range of ports, written as FIRST-LAST."""

    def __init__(self) -> None:
        super().__init__(type_name='string value')

    def __call__(self, value: Any) -> range:
        try:
            first, last = map(int, str(value).split('-'))
        except ValueError:
            first = last = 0
        if not 0 < first <= last < 65536:
            raise ValueError(
                f'{value!r} is not a range of ports such as 20001-20999'
            )
        return range(first, last + 1)

    def __repr__(self) -> str:
        return 'PortRange'

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PortRange)

    def _formatter(self, value: range) -> str:
        return f'{value[0]}-{value[-1]}'


OPTIONS = [
    cfg.StrOpt(
        'public_hostname',
        default='localhost',
        sample_default='console.example.org',
        help='Host name or address of native consoles: of those on the '
        'gateway, and of those for which the compute driver does not report '
        'one.',
    ),
    cfg.StrOpt(
        'key_file',
        default='$state_path/console-keys',
        help='File with the Fernet keys that encrypt console passwords in the '
        'database, one per line. The first key encrypts, all keys decrypt. '
        '"console-svc-manage db sync" creates it for an empty database, '
        '"console-svc-manage keys create" at any time, with mode 0600. It is '
        'read again when it changes. All API hosts need the same file.',
    ),
    cfg.StrOpt(
        'mode',
        choices=[
            ('driver', 'The compute driver opens them on the hypervisor.'),
            ('gateway', 'Clients connect to the gateway, console-svc-proxy.'),
        ],
        help='How new native consoles are opened. Existing consoles remain '
        'as they are. Default: driver if the compute driver can open native '
        'consoles, gateway otherwise.',
    ),
    cfg.Opt(
        'port_range',
        type=PortRange(),
        sample_default='20001-20999',
        help='Ports of the gateway, as FIRST-LAST, of which each console gets '
        'its own. [rfb] listen_port is excluded. If unset, all consoles share '
        '[rfb] listen_port.',
    ),
    cfg.IntOpt(
        'native_ttl',
        default=0,
        min=0,
        help='Seconds for which clients can log in to a console on the '
        'gateway; 0: no limit.',
    ),
    cfg.IntOpt(
        'native_max_uses',
        default=0,
        min=0,
        help='Number of sessions that a console on the gateway can open; 0: '
        'no limit, 1: single-use passwords.',
    ),
    cfg.BoolOpt(
        'bind_to_client_address',
        default=False,
        help='Accept log-ins to a console on the gateway only from the '
        'client address that opened it. Behind a load balancer, also enable '
        '[oslo_middleware] enable_proxy_headers_parsing.',
    ),
]


def own_ports(conf: cfg.ConfigOpts) -> Sequence[int]:
    """Return the gateway's ports of which each console gets its own.

    :raises oslo_config.cfg.Error: ``port_range`` is invalid
    """
    ports: range | None = conf.consoles.port_range
    return [port for port in ports or () if port != conf.rfb.listen_port]
