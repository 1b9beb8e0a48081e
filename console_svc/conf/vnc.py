# SPDX-License-Identifier: Apache-2.0

"""[vnc] how the console proxy gets in at a hypervisor's VNC server.

Names of the options that nova has, too, are nova's. The group's base URLs are
in :mod:`console_svc.conf.base_urls`.
"""

from oslo_config import cfg, types

GROUP = 'vnc'

OPTIONS = [
    cfg.ListOpt(
        'auth_schemes',
        item_type=types.String(
            choices=[
                ('none', 'no authentication'),
                ('vnc', 'VNC authentication'),
                ('vencrypt', 'TLS, by the X509 types of VeNCrypt'),
            ]
        ),
        default=['none', 'vnc'],
        help='Security types of RFB with which the proxy goes to the '
        'hypervisor, the best first. With "vencrypt" alone the leg inside of '
        'the cloud is always encrypted.',
    ),
    cfg.StrOpt(
        'hypervisor_password',
        secret=True,
        help='Password of VNC authentication, where all hypervisors have the '
        "same one (qemu.conf's vnc_password). Without it the user is asked "
        'for the password.',
    ),
    cfg.StrOpt(
        'vencrypt_ca_certs',
        default='/etc/pki/console-svc-proxy/ca-cert.pem',
        help='PEM file of the authorities that have signed the certificates '
        'of the hypervisors.',
    ),
    cfg.StrOpt(
        'vencrypt_client_cert',
        help="PEM file of the proxy's own certificate, for hypervisors that "
        'ask for one.',
    ),
    cfg.StrOpt(
        'vencrypt_client_key',
        help='PEM file of its private key.',
    ),
    cfg.BoolOpt(
        'vencrypt_check_host',
        default=True,
        help="Whether a hypervisor's certificate must name the host, or the "
        'address, where its console is.',
    ),
]
