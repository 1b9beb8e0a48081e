# SPDX-License-Identifier: Apache-2.0

"""[libvirt] the compute driver that uses libvirt."""

import socket

from oslo_config import cfg

GROUP = 'libvirt'

OPTIONS = [
    cfg.ListOpt(
        'hosts',
        default=[socket.gethostname()],
        sample_default=['compute-1', 'compute-2=qemu+ssh://192.0.2.12/system'],
        help="Compute hosts on which servers are looked up: nova's name of "
        'the host, or NAME=URI for a host with a URI of its own.',
    ),
    cfg.StrOpt(
        'uri',
        default='qemu:///system',
        help='libvirt URI of the hosts. {host} is replaced by the name of the '
        'host, as in qemu+tls://{host}/system.',
    ),
    cfg.IntOpt(
        'timeout',
        default=5,
        min=1,
        help='Seconds to wait for a host to answer. After that, requests '
        'about its servers fail with a 503, and it is tried again a few '
        'seconds later.',
    ),
    cfg.DictOpt(
        'projects',
        default={},
        sample_default={'5f3d1f8e-9c8e-4a57-9a0c-4dd8e3f1c001': 'demo'},
        help="Project ids of domains without nova's metadata, by the UUID of "
        'the domain. A domain without a project is not found by anyone.',
    ),
    cfg.IntOpt(
        'password_ttl',
        default=604800,
        min=60,
        help='Seconds for which the password of a native console is valid. '
        'To get a new password, delete the console and create it again.',
    ),
]
