# SPDX-License-Identifier: Apache-2.0

"""[compute] the compute driver."""

from oslo_config import cfg

GROUP = 'compute'

OPTIONS = [
    cfg.StrOpt(
        'driver',
        default='static',
        help='The compute driver, which looks up servers and their consoles: '
        'an entry point in the namespace console_svc.compute. "static" reads '
        'an inventory file, "libvirt" asks the libvirt daemons of the compute '
        'hosts, and "nova" asks nova\'s API.',
    ),
]
