# SPDX-License-Identifier: Apache-2.0

"""[rdp] the console proxy's connections to RDP servers.

The group's base URL is in :mod:`console_svc.conf.base_urls`.
"""

from oslo_config import cfg

GROUP = 'rdp'

OPTIONS = [
    cfg.BoolOpt(
        'tls_verify',
        default=True,
        help='Verify the certificates of RDP servers. Many RDP servers, and '
        'Hyper-V, have a self-signed certificate. If their certificates '
        'cannot be replaced, and the network between the proxy and them is '
        'trusted, turn it off.',
    ),
    cfg.StrOpt(
        'tls_ca_certs',
        sample_default='/etc/pki/console-svc-proxy/rdp-ca-cert.pem',
        help='PEM file with the CA certificates for verifying the '
        'certificates of RDP servers. If unset, the CAs of the operating '
        'system are used. The file is read again on SIGHUP.',
    ),
    cfg.BoolOpt(
        'tls_check_host',
        default=True,
        help="Require that an RDP server's certificate names the host or "
        'address of the console. Only used with tls_verify.',
    ),
]
