# SPDX-License-Identifier: Apache-2.0

"""[metrics] what Prometheus is told of the API."""

import ipaddress
from typing import Any

from oslo_config import cfg, types

GROUP = 'metrics'


class Network(types.ConfigType):
    """An address, or a network in CIDR notation."""

    def __init__(self) -> None:
        super().__init__(type_name='IP network')

    def __call__(
        self, value: Any
    ) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        return ipaddress.ip_network(value)

    def __repr__(self) -> str:
        return 'Network'

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network)

    def _formatter(self, value: Any) -> str:
        return str(value)


OPTIONS = [
    cfg.StrOpt(
        'directory',
        sample_default='/run/console-svc/metrics',
        help='Where the API processes of a host keep their figures, to add '
        'them up; with it the API counts, and GET /metrics answers '
        'Prometheus. Needs the extra "metrics". Make it a directory that is '
        "empty when the service starts, such as one below systemd's "
        'RuntimeDirectory. Unset: no metrics.',
    ),
    cfg.ListOpt(
        'allowed_sources',
        item_type=Network(),
        default=['127.0.0.1', '::1'],
        help='Addresses and networks that may read /metrics, which asks for '
        'no token. To others, and to whatever a load balancer has forwarded '
        'and says so (X-Forwarded-For and the like), there is no such path. '
        'It must not be reachable from outside: a load balancer on the same '
        'host that adds no such header must not route it.',
    ),
]
