# SPDX-License-Identifier: Apache-2.0

"""[nova_notifications] the notifications that console-svc-listener reads."""

from oslo_config import cfg

GROUP = 'nova_notifications'

OPTIONS = [
    cfg.StrOpt(
        'transport_url',
        secret=True,
        help="URL of the message bus with nova's notifications. If unset, "
        'transport_url of [oslo_messaging_notifications] or [DEFAULT] is '
        'used.',
    ),
    cfg.StrOpt(
        'exchange',
        default='nova',
        help="Exchange of nova's notifications. It must be equal to "
        "nova's [DEFAULT] control_exchange.",
    ),
    cfg.ListOpt(
        'topics',
        default=['versioned_notifications'],
        help="Topics of nova's versioned notifications: one or more of nova's "
        '[notifications] versioned_notifications_topics.',
    ),
    cfg.StrOpt(
        'pool',
        default='console-svc',
        help='Name of a queue that all listeners share, in addition to the '
        'queues of other consumers of the topics. If empty, the listeners '
        "read from nova's own queues. Do so only if there are no other "
        'consumers, because each notification reaches just one of them.',
    ),
]
