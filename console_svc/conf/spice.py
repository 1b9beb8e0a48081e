# SPDX-License-Identifier: Apache-2.0

"""[spice] native SPICE clients, and SPICE servers of hypervisors.

Options that nova also has bear nova's names. The group's base URLs are in
:mod:`console_svc.conf.base_urls`.
"""

from typing import Final

from oslo_config import cfg, types

GROUP = 'spice'

#: The channels that an operator can close.
OPTIONAL_CHANNELS: Final = (
    ('record', 'Sound from the microphone of the client.'),
    ('smartcard', 'Smart cards of the client.'),
    ('usbredir', 'USB devices of the client.'),
    ('port', "Further ports of the guest's devices."),
    ('webdav', 'A folder of the client.'),
)

OPTIONS = [
    cfg.BoolOpt(
        'direct_enabled',
        default=False,
        help='Accept native SPICE clients (console type spice-direct) in the '
        'console proxy, and serve the connection file of each console at the '
        'path of spice_direct_proxy_base_url.',
    ),
    cfg.StrOpt(
        'direct_host',
        default='127.0.0.1',
        sample_default='192.0.2.20',
        help='Address to listen on for native SPICE clients; "::" includes '
        'IPv4.',
    ),
    cfg.PortOpt(
        'direct_tls_port',
        default=5899,
        help='Port for native SPICE clients with TLS. It requires direct_cert.'
        ' 0: there is no such port.',
    ),
    cfg.PortOpt(
        'direct_port',
        default=0,
        help='Port for native SPICE clients without TLS: the screen and the '
        'keys that a user types are not encrypted, only the token is. 0: '
        'there is no such port.',
    ),
    cfg.StrOpt(
        'direct_cert',
        help='PEM file with the certificate for native SPICE clients and its '
        'intermediate certificates. The file is read again on SIGHUP.',
    ),
    cfg.StrOpt(
        'direct_key',
        help='PEM file with the private key of direct_cert. If unset, the key '
        'is read from the file of the certificate.',
    ),
    cfg.StrOpt(
        'direct_public_host',
        sample_default='console.example.org',
        help='Host name or address of the proxy in connection files. The '
        'certificate must name it. If unset, it is [consoles] '
        'public_hostname.',
    ),
    cfg.PortOpt(
        'direct_public_tls_port',
        help='Port with TLS in connection files, if a load balancer has '
        'another one than direct_tls_port.',
    ),
    cfg.PortOpt(
        'direct_public_port',
        help='Port without TLS in connection files, if a load balancer has '
        'another one than direct_port. Connection files have it only if there '
        'is no port with TLS.',
    ),
    cfg.StrOpt(
        'direct_ca',
        help='PEM file with the CA certificates for verifying direct_cert, '
        'which connection files contain. If unset, clients use the CA '
        'certificates of their system.',
    ),
    cfg.IntOpt(
        'direct_max_connections_per_address',
        default=200,
        min=1,
        help='Number of concurrent connections of a worker from native SPICE '
        'clients of one address, or of one IPv6 network of 64 bits. Further '
        'ones are reset when they are accepted. A client has one for each '
        'channel, up to ten. Increase it if many users share an address.',
    ),
    cfg.ListOpt(
        'channels',
        item_type=types.String(choices=list(OPTIONAL_CHANNELS)),
        default=[name for name, _ in OPTIONAL_CHANNELS],
        help='Channels that native SPICE clients may open in addition to '
        'main, display, inputs, cursor and playback. A server has such a '
        'channel only if it has the device. Others are refused with an error '
        "of SPICE's.",
    ),
    cfg.StrOpt(
        'hypervisor_password',
        secret=True,
        default='',
        # As in libvirt and QEMU.
        max_length=60,
        help='Password of the SPICE servers of all hypervisors '
        '(spice_password in qemu.conf), for native SPICE clients. SPICE pages '
        'ask the user for it.',
    ),
    cfg.BoolOpt(
        'require_secure',
        default=False,
        help='Connect to SPICE consoles only with TLS. Refuse those for which '
        'the compute driver does not report a port with TLS. Requires '
        'ca_certs.',
    ),
    cfg.StrOpt(
        'ca_certs',
        sample_default='/etc/pki/console-svc-proxy/ca-cert.pem',
        help='PEM file with the CA certificates for verifying the '
        'certificates of the SPICE servers of hypervisors. If set, the proxy '
        'connects with TLS to consoles with a port for TLS. If unset, it '
        'connects without. The files of ca_certs and client_* are read again '
        'on SIGHUP.',
    ),
    cfg.StrOpt(
        'client_cert',
        help="PEM file with the proxy's client certificate, for hypervisors "
        'that require one.',
    ),
    cfg.StrOpt(
        'client_key',
        help='PEM file with the private key of client_cert.',
    ),
    cfg.BoolOpt(
        'check_host',
        default=True,
        help="Require that a SPICE server's certificate names the host or "
        'address of the console.',
    ),
]
