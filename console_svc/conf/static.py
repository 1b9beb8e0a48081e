# SPDX-License-Identifier: Apache-2.0

"""[static] the driver that reads an inventory file."""

from oslo_config import cfg

GROUP = 'static'

OPTIONS = [
    cfg.StrOpt(
        'inventory',
        default='/etc/console-svc/servers.yaml',
        help='YAML file of the servers and their consoles. It is read again '
        'when it changes; a file that breaks a rule is refused with the line '
        'and the reason in the log, and the last good one stays in use.',
    ),
]
