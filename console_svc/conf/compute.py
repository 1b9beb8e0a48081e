# SPDX-License-Identifier: Apache-2.0

"""[compute] where servers and their consoles are."""

from oslo_config import cfg

GROUP = 'compute'

OPTIONS = [
    cfg.StrOpt(
        'driver',
        default='static',
        help='Entry point in the namespace console_svc.compute of the driver '
        'that knows the servers and where their consoles are. "static" reads '
        'an inventory file.',
    ),
]
