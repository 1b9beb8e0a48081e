# SPDX-License-Identifier: Apache-2.0

"""[consoles] password-protected consoles for native VNC clients."""

from oslo_config import cfg

GROUP = 'consoles'

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
]
