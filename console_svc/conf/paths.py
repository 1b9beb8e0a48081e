# SPDX-License-Identifier: Apache-2.0

"""[DEFAULT] where the service keeps its files."""

from oslo_config import cfg

GROUP = None

OPTIONS = [
    cfg.StrOpt(
        'state_path',
        default='/var/lib/console-svc',
        help='Directory of what the service writes itself: the embedded '
        'SQLite database and the key file of the console passwords. With a '
        'database server and several API hosts only the key file is left '
        'here, and must be the same on every host.',
    ),
]
