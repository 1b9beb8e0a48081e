# SPDX-License-Identifier: Apache-2.0

"""[static] the compute driver that reads an inventory file."""

from oslo_config import cfg

GROUP = 'static'

OPTIONS = [
    cfg.StrOpt(
        'inventory',
        default='/etc/console-svc/servers.yaml',
        help='YAML file with the servers and their consoles. It is read again '
        'when it changes. If the new content is invalid, the line and the '
        'reason are logged, and the last valid content stays in use.',
    ),
]
