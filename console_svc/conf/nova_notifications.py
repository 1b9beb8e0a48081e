# SPDX-License-Identifier: Apache-2.0

"""[nova_notifications] what console-svc-listener listens to."""

from oslo_config import cfg

GROUP = 'nova_notifications'

OPTIONS = [
    cfg.StrOpt(
        'transport_url',
        secret=True,
        help="Message bus of nova's notifications. Not set: that of "
        '[oslo_messaging_notifications], or [DEFAULT] transport_url.',
    ),
    cfg.ListOpt(
        'topics',
        default=['versioned_notifications'],
        help="Topics of nova's versioned notifications.",
    ),
    cfg.StrOpt(
        'pool',
        default='console-svc',
        help='Listeners of one pool share the notifications; other '
        'consumers of the topics still get all of them.',
    ),
]
