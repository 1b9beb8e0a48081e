# SPDX-License-Identifier: Apache-2.0

"""[DEFAULT] paths."""

from oslo_config import cfg

GROUP = None

OPTIONS = [
    cfg.StrOpt(
        'state_path',
        default='/var/lib/console-svc',
        help='Directory for files that the service writes: the embedded '
        'SQLite database and the key file for console passwords. With a '
        'database server it has only the key file, which must be the same on '
        'all API hosts.',
    ),
]
