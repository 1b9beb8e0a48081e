# SPDX-License-Identifier: Apache-2.0

"""Errors as JSON faults: the only place that renders them."""

import http
import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from keystoneauth1.exceptions import connection as keystone_connection
from oslo_config import cfg
from oslo_db import exception as db_exception

from console_svc import exception
from console_svc.db import errors

LOG = logging.getLogger(__name__)

# Names of the compute API. A status without one is a computeFault.
_NAMES: Final = {
    400: 'badRequest',
    401: 'unauthorized',
    403: 'forbidden',
    404: 'itemNotFound',
    405: 'badMethod',
    409: 'conflictingRequest',
    413: 'overLimit',
    415: 'badMediaType',
    429: 'overLimit',
    501: 'notImplemented',
    503: 'serviceUnavailable',
}

# Messages for the error responses of libraries.
_MESSAGES = {
    400: 'The server could not comply with the request since it is either '
    'malformed or otherwise incorrect.',
    404: exception.NotFound.message,
    413: 'The request body is too large.',
    503: 'The service is unavailable for now.',
}

# Their headers that stay when the body is replaced.
_KEPT = frozenset({'allow', 'retry-after', 'www-authenticate'})

_WITH_RETRY_AFTER: Final = frozenset(
    {http.HTTPStatus.TOO_MANY_REQUESTS, http.HTTPStatus.SERVICE_UNAVAILABLE}
)

# Set once a fault was sent, so that the outer Faults passes it through.
_ANSWERED: Final = 'console_svc.fault'

_Headers = list[tuple[str, str]]


def name_of(code: int) -> str:
    """The compute API's name for faults of a status."""
    return _NAMES.get(code, 'computeFault')


class Faults:
    """Turns exceptions and the error responses of libraries into JSON faults.

    An unexpected exception is logged, and not shown to the client.
    """

    def __init__(self, app: WSGIApplication, conf: cfg.ConfigOpts) -> None:
        self._app = app
        self._retry_after = str(conf.api.retry_after)

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        foreign: list[tuple[int, _Headers]] = []

        def start(status: str, headers: _Headers, exc_info: Any = None) -> Any:
            code = int(status[:3])
            if (
                code < 400
                or environ.get(_ANSWERED)
                or _is_keystones(code, headers)
            ):
                return start_response(status, headers, exc_info)
            foreign.append((code, headers))
            return _ignore

        try:
            body = self._app(environ, start)
        except Exception as error:
            known = _domain_error(error)
            return self._answer(
                environ,
                start_response,
                known.status,
                str(known),
                known.details,
                known.headers,
            )
        if not foreign:
            return body
        close = getattr(body, 'close', None)
        if close is not None:
            close()
        code, headers = foreign[-1]
        return self._answer(
            environ,
            start_response,
            code,
            _MESSAGES.get(code, http.HTTPStatus(code).phrase),
            {},
            {name: text for name, text in headers if name.lower() in _KEPT},
        )

    def _answer(
        self,
        environ: WSGIEnvironment,
        start_response: StartResponse,
        code: int,
        message: str,
        details: Mapping[str, Any],
        headers: Mapping[str, str],
    ) -> Iterable[bytes]:
        environ[_ANSWERED] = True
        fault = {'code': int(code), 'message': message, **details}
        body = json.dumps({name_of(code): fault}).encode()
        all_headers = {
            'Content-Type': 'application/json; charset=UTF-8',
            'Content-Length': str(len(body)),
            **headers,
        }
        if code in _WITH_RETRY_AFTER:
            all_headers.setdefault('Retry-After', self._retry_after)
        status = f'{int(code)} {http.HTTPStatus(code).phrase}'
        start_response(status, list(all_headers.items()))
        return [] if environ['REQUEST_METHOD'] == 'HEAD' else [body]


def _domain_error(error: Exception) -> exception.ConsoleSvcError:
    """The error to answer with; logs the exception."""
    if isinstance(error, exception.ServiceUnavailable):
        LOG.warning(
            'The request got a 503: %s', error, exc_info=error.__cause__
        )
        return error
    if isinstance(error, exception.ConsoleSvcError):
        # Escaped: it may contain text from the request.
        LOG.debug('The request was refused: %r', str(error))
        return error
    if isinstance(error, errors.SchemaMismatch):
        LOG.error(
            'The schema of the database is missing or too old: run '
            '"console-svc-manage db sync". The request got a 503: %s',
            errors.describe(error),
        )
        return exception.ServiceUnavailable(
            'The service is not ready: its database must be upgraded.'
        )
    if isinstance(error, db_exception.DBError):
        LOG.error(
            'The database failed; the request got a 503: %s',
            errors.describe(error),
        )
        return exception.ServiceUnavailable('The database is unavailable.')
    if isinstance(error, keystone_connection.ConnectionError):
        # auth_token handles a keystone that refuses connections, but not one
        # that accepts them and does not answer.
        LOG.error('Keystone does not answer; the request got a 503: %s', error)
        return exception.ServiceUnavailable('Keystone is unavailable.')
    LOG.error('Unexpected error; the request got a 500', exc_info=error)
    return exception.ConsoleSvcError()


def _is_keystones(code: int, headers: _Headers) -> bool:
    """Whether this is a 401 of keystonemiddleware, whose body clients know.

    Any other JSON is that of WebOb, for clients that accept JSON.
    """
    return code == http.HTTPStatus.UNAUTHORIZED and any(
        name.lower() == 'content-type' and value.startswith('application/json')
        for name, value in headers
    )


def _ignore(data: bytes) -> None:
    """The write() of a response that is not sent."""
