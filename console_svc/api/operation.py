# SPDX-License-Identifier: Apache-2.0

"""The operations of the API: the methods of its resources.

Requests are dispatched by them, and the OpenAPI document is made of them.
"""

import dataclasses
import http
from collections.abc import Mapping
from typing import Any, TypeVar

from console_svc.api.microversion import Version
from console_svc.exception import ConsoleSvcError

_Handler = TypeVar('_Handler', bound=Any)


class MethodNotAllowed(ConsoleSvcError):
    """The resource does not support this method."""

    status = http.HTTPStatus.METHOD_NOT_ALLOWED
    message = 'The method {method} is not allowed for this resource.'

    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(method=method)
        self.headers = {'Allow': allowed}


@dataclasses.dataclass(frozen=True, slots=True)
class Form:
    """One schema that a body can have.

    :param schema: JSON Schema
    :param since: the first microversion that has it
    :param before: the first microversion that no longer has it
    :param action: the member that tells it from the other forms
    :param media_type: if it is not JSON, all forms differ in this
    """

    schema: Mapping[str, Any]
    since: Version | None = None
    before: Version | None = None
    action: str | None = None
    media_type: str = 'application/json'


@dataclasses.dataclass(frozen=True, slots=True)
class Operation:
    """Decorator: makes a function of a resource the handler of a method.

    It takes ``req`` and ``resp``; what it returns is the body of the
    response, rendered as JSON. None leaves ``resp`` as it is.

    Neither what all operations have in common nor the ids of a path are
    described here: see :mod:`console_svc.api.openapi`.

    :param method: in upper case; GET includes HEAD
    :param summary: the title of its section in the api-ref
    :param status: of a successful response
    :param body: the forms of the request body
    :param body_required: whether a request must have a body
    :param query: the schemas of its query parameters
    :param answer: the forms of the response body; none: it is empty
    :param raises: errors that are particular to it
    :param since: the first microversion that has it
    :param before: the first microversion that no longer has it
    :param is_frequent: its successful requests are logged at DEBUG alone
    :param extension: it is console-svc's own, and its resource is not
    :param without_nova: it is served only if no nova has the servers: see
        ``[api] servers``
    :param of_recordings: it is served only with ``[api] recordings``
    :param links: operations that can follow: operationId -> ids of its path
        that are not in this one -> where in the response they are
    """

    method: str
    summary: str
    status: http.HTTPStatus = http.HTTPStatus.OK
    body: tuple[Form, ...] = ()
    body_required: bool = True
    query: Mapping[str, Mapping[str, Any]] = dataclasses.field(
        default_factory=dict
    )
    answer: tuple[Form, ...] = ()
    raises: tuple[type[ConsoleSvcError], ...] = ()
    since: Version | None = None
    before: Version | None = None
    is_frequent: bool = False
    extension: bool = False
    without_nova: bool = False
    of_recordings: bool = False
    links: Mapping[str, Mapping[str, str]] = dataclasses.field(
        default_factory=dict
    )

    def __call__(self, handler: _Handler) -> _Handler:
        handler.operation = self
        return handler


def of(handler: Any) -> Operation | None:
    """The operation of a function; None: it is not a handler."""
    operation: Operation | None = getattr(handler, 'operation', None)
    return operation
