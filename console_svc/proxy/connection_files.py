# SPDX-License-Identifier: Apache-2.0

"""Connection files, with which ``remote-viewer`` opens SPICE consoles.

The URL of a console of the type spice-direct leads to its file (remote-viewer,
section CONNECTION FILE). The file has the token of the URL as its password.
Whether the token is valid, the API says when the client connects: a file does
not use it, and tells nothing about it.
"""

import http
import logging
import pathlib
from collections.abc import Iterator
from typing import Final
from urllib import parse

from oslo_config import cfg

from console_svc.proxy import admission
from console_svc.proxy.http import messages
from console_svc.proxy.http.messages import Request, Response
from console_svc.proxy.pages import without_host

LOG = logging.getLogger(__name__)

_HEADERS: Final = {
    'Content-Type': 'application/x-virt-viewer',
    'Content-Disposition': 'attachment; filename="console.vv"',
    # It contains a password.
    'Cache-Control': 'no-store',
}


class ConnectionFiles:
    """The connection files, at the path of ``spice_direct_proxy_base_url``.

    :raises OSError: ``[spice] direct_ca`` cannot be read
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        options = conf.spice
        self._options = options
        self._host = (
            options.direct_public_host or conf.consoles.public_hostname
        )
        base = parse.urlsplit(options.spice_direct_proxy_base_url)
        self._path = base.path or '/'
        self._authorities = self._read()

    def reload(self) -> None:
        """Read the CA certificates again; else the old ones stay in use."""
        try:
            self._authorities = self._read()
        except OSError as error:
            LOG.error(
                'The CA certificates of [spice] direct_ca cannot be reloaded, '
                'the old ones stay in use: %s',
                error,
            )

    def response(self, request: Request) -> Response | None:
        """Respond to GET or HEAD; None: it is for another path."""
        path, _, query = without_host(request.target).partition('?')
        if parse.unquote(path) != self._path:
            return None
        tokens = parse.parse_qs(query).get('token', [])
        if len(tokens) != 1 or not admission.TOKEN.fullmatch(tokens[0]):
            return messages.text(
                http.HTTPStatus.BAD_REQUEST,
                'There is no console token in the URL.',
            )
        lines = '\n'.join(self._lines(tokens[0]))
        return Response(http.HTTPStatus.OK, _HEADERS, f'{lines}\n'.encode())

    def _read(self) -> str | None:
        file = self._options.direct_ca
        # PEM is ASCII, but comments between certificates may not be.
        return file and pathlib.Path(file).read_text('ascii', 'replace')

    def _lines(self, token: str) -> Iterator[str]:
        options = self._options
        yield '[virt-viewer]'
        yield 'type=spice'
        yield f'host={self._host}'
        # With both ports, clients would use TLS for some channels only.
        if options.direct_tls_port:
            port = options.direct_public_tls_port or options.direct_tls_port
            yield f'tls-port={port}'
            if self._authorities is not None:
                # A value is one line, with escapes (GLib, GKeyFile).
                escaped = self._authorities.replace('\\', r'\\')
                yield 'ca=' + escaped.replace('\n', r'\n')
        else:
            yield f'port={options.direct_public_port or options.direct_port}'
        yield f'password={token}'
        yield f'title=Console at {self._host}'
        yield 'delete-this-file=1'


def connection_files(conf: cfg.ConfigOpts) -> ConnectionFiles | None:
    """The connection files; None: native SPICE clients are not enabled.

    :raises OSError: ``[spice] direct_ca`` cannot be read
    """
    return ConnectionFiles(conf) if conf.spice.direct_enabled else None
