# SPDX-License-Identifier: Apache-2.0

"""TLS contexts, towards clients, hypervisors and the API."""

import logging
import os
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Final

from oslo_config import cfg
from requests import utils

LOG = logging.getLogger(__name__)

_VERSIONS: Final = {
    'tlsv1_2': ssl.TLSVersion.TLSv1_2,
    'tlsv1_3': ssl.TLSVersion.TLSv1_3,
}


class ServerTLS:
    """A TLS context of the proxy, whose certificate can be renewed.

    :param cert: PEM file
    :param key: PEM file of its private key; None: it is in the same file
    :raises OSError: the files cannot be read
    :raises ssl.SSLError: they are not a certificate and its key
    """

    def __init__(
        self, conf: cfg.ConfigOpts, cert: str, key: str | None
    ) -> None:
        self._files = cert, key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = _VERSIONS[
            conf.proxy.ssl_minimum_version
        ]
        if conf.proxy.ssl_ciphers:
            self.context.set_ciphers(conf.proxy.ssl_ciphers)
        self._load(self.context)

    def reload(self) -> None:
        """Read the certificate again, for new connections.

        If that fails, the old one stays in use.
        """
        try:
            # In a context of its own first: half of a new pair must not
            # replace the old one.
            self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
            self._load(self.context)
        except OSError as error:
            LOG.error(
                'The certificate cannot be reloaded, the old one stays in '
                'use: %s',
                error,
            )

    def _load(self, context: ssl.SSLContext) -> None:
        _load_chain(context, *self._files)


class ReloadableTLS:
    """A TLS context towards consoles, whose files can be read again.

    :raises OSError: a file cannot be read
    """

    #: The group of its options.
    group: str

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._options = conf[self.group]
        self.context = self._new_context()

    def reload(self) -> None:
        """Read the files again, for new connections.

        If that fails, the old ones stay in use.
        """
        try:
            self.context = self._new_context()
        except OSError as error:
            LOG.error(
                'The certificates of [%s] cannot be reloaded, the old ones '
                'stay in use: %s',
                self.group,
                error,
            )

    def _new_context(self) -> ssl.SSLContext:
        raise NotImplementedError


class HypervisorTLS(ReloadableTLS):
    """TLS towards hypervisors, by the options ``[vnc] vencrypt_*``."""

    group = 'vnc'

    def _new_context(self) -> ssl.SSLContext:
        options = self._options
        context = _client_context(options.vencrypt_ca_certs)
        context.check_hostname = options.vencrypt_check_host
        if options.vencrypt_client_cert:
            _load_chain(
                context,
                options.vencrypt_client_cert,
                options.vencrypt_client_key,
            )
        return context


class SpiceServerTLS(ReloadableTLS):
    """TLS towards SPICE servers, by options of ``[spice]``."""

    group = 'spice'

    def _new_context(self) -> ssl.SSLContext:
        options = self._options
        context = _client_context(options.ca_certs)
        context.check_hostname = options.check_host
        if options.client_cert:
            _load_chain(context, options.client_cert, options.client_key)
        return context


class RDPServerTLS(ReloadableTLS):
    """TLS towards RDP servers, by the options ``[rdp] tls_*``."""

    group = 'rdp'

    def _new_context(self) -> ssl.SSLContext:
        options = self._options
        if not options.tls_verify:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        context = _client_context(options.tls_ca_certs)
        context.check_hostname = options.tls_check_host
        return context


class ApiTLS:
    """TLS towards the API, by the options of ``[console_api]``.

    :param options: those that are set of ``tls_ciphers`` and
        ``tls_min_version``
    """

    def __init__(self, options: Mapping[str, str]) -> None:
        self._options = options
        self._read: Any = None
        self._context: ssl.SSLContext | None = None

    def context(
        self, verify: bool | str, cert: str | tuple[str, str] | None
    ) -> ssl.SSLContext:
        """The context; another one when the files have changed.

        A new context means new connections.

        :param verify: file or folder of CA certificates; True: those of
            requests; False: any certificate is accepted
        :param cert: certificate of the proxy, and its key if that is in
            another file
        :raises OSError: a file cannot be read
        """
        authorities = (
            utils.DEFAULT_CA_BUNDLE_PATH if verify is True else verify
        )
        chain = (cert,) if isinstance(cert, str) else cert or ()
        try:
            files = [(it, _version(it)) for it in (authorities, *chain) if it]
            if self._context is None or files != self._read:
                self._context = self._new_context(authorities, chain)
                self._read = files
        except OSError as error:
            names = ', '.join(it for it in (authorities, *chain) if it)
            raise OSError(f'{names}: {error}') from error
        return self._context

    def _new_context(
        self, authorities: str | bool, chain: Sequence[str]
    ) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if not authorities:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif os.path.isdir(str(authorities)):
            context.load_verify_locations(capath=str(authorities))
        else:
            context.load_verify_locations(str(authorities))
        if chain:
            context.load_cert_chain(*chain)
        if ciphers := self._options.get('tls_ciphers'):
            context.set_ciphers(ciphers)
        if version := self._options.get('tls_min_version'):
            context.minimum_version = _VERSIONS[
                f'tlsv{version}'.replace('.', '_')
            ]
        return context


def browsers(conf: cfg.ConfigOpts) -> ServerTLS | None:
    """TLS towards browsers; None without a certificate."""
    cert = conf.proxy.cert
    return ServerTLS(conf, cert, conf.proxy.key) if cert else None


def native_clients(conf: cfg.ConfigOpts) -> ServerTLS | None:
    """TLS towards native clients; None without a certificate.

    :raises oslo_config.cfg.Error: TLS is required, but there is no certificate
    """
    if not conf.rfb.enabled:
        return None
    if not conf.rfb.cert:
        if conf.rfb.require_tls:
            raise cfg.RequiredOptError('cert', cfg.OptGroup('rfb'))
        return None
    certificate = ServerTLS(conf, conf.rfb.cert, conf.rfb.key)
    # Session tickets: clients do not resume sessions, and TigerVNC 1.12 misses
    # a challenge that arrives together with a ticket.
    certificate.context.num_tickets = 0
    return certificate


def hypervisors(conf: cfg.ConfigOpts) -> HypervisorTLS | None:
    """TLS towards VNC servers; None if ``[vnc] auth_schemes`` has none.

    :raises OSError: a file cannot be read
    """
    if 'vencrypt' not in conf.vnc.auth_schemes:
        return None
    return HypervisorTLS(conf)


def spice_clients(conf: cfg.ConfigOpts) -> ServerTLS | None:
    """TLS towards native SPICE clients; None: there is no port for it.

    :raises oslo_config.cfg.Error: they are accepted, but there is no port, or
        no certificate
    """
    options = conf.spice
    if not options.direct_enabled:
        return None
    if options.direct_tls_port:
        if not options.direct_cert:
            raise cfg.RequiredOptError('direct_cert', cfg.OptGroup('spice'))
        return ServerTLS(conf, options.direct_cert, options.direct_key)
    if not options.direct_port:
        raise cfg.RequiredOptError('direct_tls_port', cfg.OptGroup('spice'))
    return None


def spice_servers(conf: cfg.ConfigOpts) -> SpiceServerTLS | None:
    """TLS towards the SPICE servers of hypervisors; None without CAs.

    :raises oslo_config.cfg.Error: TLS is required, but there are no CAs
    :raises OSError: a file cannot be read
    """
    if conf.spice.ca_certs:
        return SpiceServerTLS(conf)
    if conf.spice.require_secure:
        raise cfg.RequiredOptError('ca_certs', cfg.OptGroup('spice'))
    return None


def _client_context(authorities: str | None) -> ssl.SSLContext:
    """A context that verifies servers; an exception names the file.

    :param authorities: PEM file; None: the CAs of the operating system
    """
    try:
        return ssl.create_default_context(cafile=authorities)
    except OSError as error:
        raise OSError(f'{authorities}: {error}') from error


def _load_chain(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    """Load a certificate; an exception names the files."""
    try:
        context.load_cert_chain(cert, key)
    except OSError as error:
        files = cert if key is None else f'{cert} with {key}'
        raise OSError(f'{files}: {error}') from error


def _version(path: str) -> tuple[int, int, int]:
    """What changes when a file is replaced or written."""
    found = os.stat(path)
    return found.st_ino, found.st_mtime_ns, found.st_size
