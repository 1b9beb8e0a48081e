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
    cfg.StrOpt(
        'exchange',
        default='nova',
        help="Exchange of nova's notifications: nova's [DEFAULT] "
        'control_exchange.',
    ),
    cfg.ListOpt(
        'topics',
        default=['versioned_notifications'],
        help="Topics of nova's versioned notifications: nova's "
        '[notifications] versioned_notifications_topics.',
    ),
    cfg.StrOpt(
        'pool',
        default='console-svc',
        help='Listeners of one pool share the notifications; other '
        'consumers of the topics still get all of them. It names the '
        'queue. Empty: the queues that nova makes itself, for a cloud where '
        'nobody else consumes them.',
    ),
]
