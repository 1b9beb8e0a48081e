# SPDX-License-Identifier: Apache-2.0

"""The client's address and the URL, as a load balancer reports them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from oslo_config import cfg

from console_svc import forwarded

_Reader = Callable[[Iterable[str], int], str | None]

# Header -> where the environ has it, what it replaces there, and its parser.
_HEADERS: Final[Mapping[str, tuple[str, str, _Reader]]] = {
    'X-Forwarded-For': (
        'HTTP_X_FORWARDED_FOR',
        'REMOTE_ADDR',
        forwarded.client_address,
    ),
    'X-Forwarded-Proto': (
        'HTTP_X_FORWARDED_PROTO',
        'wsgi.url_scheme',
        forwarded.scheme,
    ),
    'X-Forwarded-Host': (
        'HTTP_X_FORWARDED_HOST',
        'HTTP_HOST',
        forwarded.host,
    ),
}

# Parameter of Forwarded -> the header that it stands for.
_PARAMETERS: Final[Mapping[str, str]] = {
    'for': 'X-Forwarded-For',
    'proto': 'X-Forwarded-Proto',
    'host': 'X-Forwarded-Host',
}


class Forwarded:
    """Replaces the peer's address and URL by those of the client.

    It does what oslo.middleware's HTTPProxyToWSGI does, but believes only the
    headers of ``[api] forwarding_headers``, and only what the trusted load
    balancers have added. A value that is not valid changes nothing.
    """

    def __init__(self, app: WSGIApplication, conf: cfg.ConfigOpts) -> None:
        self._app = app
        self._hops: int = conf.api.trusted_hops
        names = set(conf.api.forwarding_headers)
        self._parses_forwarded = 'Forwarded' in names
        self._parses_prefix = 'X-Forwarded-Prefix' in names
        self._headers = (
            []
            if self._parses_forwarded
            else [it for name, it in _HEADERS.items() if name in names]
        )

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        for header, target, read in self._headers:
            if header in environ:
                value = read((environ[header],), self._hops)
                if value is not None:
                    environ[target] = value
        if self._parses_forwarded and 'HTTP_FORWARDED' in environ:
            self._parse_forwarded(environ)
        if self._parses_prefix and 'HTTP_X_FORWARDED_PREFIX' in environ:
            prefix = forwarded.prefix(
                (environ['HTTP_X_FORWARDED_PREFIX'],), self._hops
            )
            environ['SCRIPT_NAME'] = (prefix or '') + environ.get(
                'SCRIPT_NAME', ''
            )
        return self._app(environ, start_response)

    def _parse_forwarded(self, environ: WSGIEnvironment) -> None:
        found = forwarded.parameters((environ['HTTP_FORWARDED'],), self._hops)
        for parameter, name in _PARAMETERS.items():
            _, target, read = _HEADERS[name]
            value = read((found.get(parameter, ''),), 1)
            if value is not None:
                environ[target] = value
