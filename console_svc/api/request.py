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

_JSON = re.compile(r'|application/(json|[^/]+\+json)')


class Request(webob.Request):  # type: ignore[misc]
    """WebOb's, with what the middleware has found out."""

    @property
    def caller(self) -> RequestContext:
        """Who is asking."""
        context: RequestContext = self.environ[CALLER]
        return context

    @property
    def microversion(self) -> Version:
        """The microversion that the caller wants.

        :raises console_svc.exception.InvalidVersion: it is no version
        :raises console_svc.exception.UnsupportedVersion: it is none of ours
        """
        wanted: Version | Exception = self.environ[ENVIRON_KEY]
        if isinstance(wanted, Exception):
            raise wanted
        return wanted

    def query(self) -> dict[str, str]:
        """The query's parameters; of repeated ones the last value."""
        return dict(
            parse.parse_qsl(
                self.environ.get('QUERY_STRING', ''), keep_blank_values=True
            )
        )

    def document(self) -> Any:
        """The body, parsed; None where there is none.

        :raises console_svc.exception.UnsupportedMediaType: it says that it
            is no JSON
        :raises console_svc.exception.MalformedBody: it is no JSON
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
    """NaN and Infinity are Python's, not JSON's (RFC 8259, section 6)."""
    raise ValueError(constant)
