# SPDX-License-Identifier: Apache-2.0

"""[metrics] metrics of the API for Prometheus."""

import ipaddress
from typing import Any

from oslo_config import cfg, types

GROUP = 'metrics'


class Network(types.ConfigType):
    """An address or a network in CIDR notation."""

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
        help='Directory through which the API processes of a host share their '
        'metrics. If set, GET /metrics serves the metrics of all processes to '
        'Prometheus. Requires the extra "metrics". The directory must be '
        'empty when the service starts: use one below the RuntimeDirectory of '
        'the systemd unit, for example. If unset, there are no metrics.',
    ),
    cfg.ListOpt(
        'allowed_sources',
        item_type=Network(),
        default=['127.0.0.1', '::1'],
        help='Addresses and networks that may read /metrics, which requires '
        'no token. Other clients get a 404, and so does every request with a '
        'header of a load balancer, such as X-Forwarded-For. A load balancer '
        'on the same host that adds no such header must not forward '
        '/metrics.',
    ),
]
