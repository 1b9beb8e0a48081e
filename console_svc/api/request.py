# SPDX-License-Identifier: Apache-2.0

"""A request, as controllers see it."""

import json
import re
from typing import Any, Final, NoReturn
from urllib import parse

import webob

from console_svc import exception
from console_svc.api.microversion import ENVIRON_KEY, Version
from console_svc.context import RequestContext

#: Where the environ has the caller's RequestContext.
CALLER: Final = 'console_svc.caller'
#: Where the environ has the class of the resource that a request is for.
RESOURCE: Final = 'console_svc.resource'
#: In the environ if the operation is one of many similar ones.
FREQUENT: Final = 'console_svc.frequent'

_JSON = re.compile(r'|application/(json|[^/]+\+json)')


class Request(webob.Request):  # type: ignore[misc]
    """A WebOb request, with what the middleware has added."""

    @property
    def caller(self) -> RequestContext:
        """The caller, as authentication has identified it."""
        context: RequestContext = self.environ[CALLER]
        return context

    @property
    def microversion(self) -> Version:
        """The requested microversion.

        :raises console_svc.exception.InvalidVersion: it is malformed
        :raises console_svc.exception.UnsupportedVersion: it is out of range
        """
        version: Version | Exception = self.environ[ENVIRON_KEY]
        if isinstance(version, Exception):
            raise version
        return version

    def query(self) -> dict[str, list[str]]:
        """The query parameters, and the values of each."""
        return parse.parse_qs(
            self.environ.get('QUERY_STRING', ''), keep_blank_values=True
        )

    def document(self) -> Any:
        """The parsed body; None if it is empty.

        :raises console_svc.exception.UnsupportedMediaType: its
            Content-Type is not JSON
        :raises console_svc.exception.MalformedBody: it is not JSON
        """
        try:
            body = self.body
        except webob.request.DisconnectionError:
            raise exception.MalformedBody from None
        if not body:
            return None
        if not _JSON.fullmatch(self.content_type.lower()):
            raise exception.UnsupportedMediaType
        try:
            return json.loads(body.decode(), parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise exception.MalformedBody from None


def _refuse(constant: str) -> NoReturn:
    """NaN and Infinity are not JSON (RFC 8259, section 6)."""
    raise ValueError(constant)
