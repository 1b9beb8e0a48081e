# SPDX-License-Identifier: Apache-2.0

"""[vnc] the console proxy's connections to VNC servers of hypervisors.

Options that nova also has bear nova's names. The group's base URLs are in
:mod:`console_svc.conf.base_urls`.
"""

from oslo_config import cfg, types

GROUP = 'vnc'

OPTIONS = [
    cfg.ListOpt(
        'auth_schemes',
        item_type=types.String(
            choices=[
                ('none', 'No authentication.'),
                ('vnc', 'VNC authentication.'),
                ('vencrypt', 'TLS, with the X509 types of VeNCrypt.'),
            ]
        ),
        default=['none', 'vnc'],
        help='RFB security types that the proxy uses with hypervisors, in '
        'order of preference. With "vencrypt" alone, all connections to '
        'hypervisors are encrypted.',
    ),
    cfg.StrOpt(
        'shared_flag',
        default='always',
        choices=[
            ('always', 'Each client shares the console with the others.'),
            (
                'client',
                'As the client says. Without its flag, the VNC server closes '
                'all other connections, such as those of users who watch. A '
                'session that only views shares the console always.',
            ),
        ],
        help='Whether clients share a console (the shared-flag of RFB). Some '
        'clients do not set it unless they are told to.',
    ),
    cfg.StrOpt(
        'hypervisor_password',
        secret=True,
        help='Password for VNC authentication, if all hypervisors have the '
        'same one (vnc_password in qemu.conf). If unset, the user is asked '
        'for the password.',
    ),
    cfg.StrOpt(
        'vencrypt_ca_certs',
        default='/etc/pki/console-svc-proxy/ca-cert.pem',
        help='PEM file with the CA certificates for verifying the '
        'certificates of hypervisors. The files of vencrypt_* are read again '
        'on SIGHUP.',
    ),
    cfg.StrOpt(
        'vencrypt_client_cert',
        help="PEM file with the proxy's client certificate, for hypervisors "
        'that require one.',
    ),
    cfg.StrOpt(
        'vencrypt_client_key',
        help='PEM file with the private key of vencrypt_client_cert.',
    ),
    cfg.BoolOpt(
        'vencrypt_check_host',
        default=True,
        help="Require that a hypervisor's certificate names the host or "
        'address of the console.',
    ),
]
