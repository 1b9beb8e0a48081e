# SPDX-License-Identifier: Apache-2.0

"""[libvirt] the driver that asks libvirt."""

import socket

from oslo_config import cfg

GROUP = 'libvirt'

OPTIONS = [
    cfg.ListOpt(
        'hosts',
        default=[socket.gethostname()],
        sample_default=['compute-1', 'compute-2=qemu+ssh://192.0.2.12/system'],
        help='The compute hosts whose domains are the servers: a name, as '
        'nova calls the host, or NAME=URI for one with a URI of its own.',
    ),
    cfg.StrOpt(
        'uri',
        default='qemu:///system',
        help="libvirt's URI of a host; {host} in it stands for the host's "
        'name, as in qemu+tls://{host}/system.',
    ),
    cfg.IntOpt(
        'timeout',
        default=5,
        min=1,
        help='Seconds until a host that does not answer is taken for dead: '
        'its servers are a 503, and it is asked again a few seconds later.',
    ),
    cfg.DictOpt(
        'projects',
        default={},
        sample_default={'5f3d1f8e-9c8e-4a57-9a0c-4dd8e3f1c001': 'demo'},
        help="Projects of domains that have none in nova's metadata element, "
        'by UUID. A domain without a project is of nobody, and not found.',
    ),
    cfg.IntOpt(
        'password_ttl',
        default=604800,
        min=60,
        help="Seconds that a native console's password is good for. Delete "
        'the console and create it again for a new one.',
    ),
]
