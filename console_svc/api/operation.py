# SPDX-License-Identifier: Apache-2.0

"""What a method of a resource is, for the service and for its description."""

import dataclasses
import http
from collections.abc import Mapping
from typing import Any, TypeVar

from console_svc.api.microversion import Version
from console_svc.exception import ConsoleSvcError

_Handler = TypeVar('_Handler', bound=Any)


@dataclasses.dataclass(frozen=True, slots=True)
class Form:
    """A form of a body.

    :param schema: JSON Schema
    :param since: the first microversion that has it
    :param before: the first one that no longer has it
    :param action: the member that tells it from other forms
    """

    schema: Mapping[str, Any]
    since: Version | None = None
    before: Version | None = None
    action: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Operation:
    """Decorates the function that answers a method.

    What is common to all operations is not said here, nor what the path and
    its ids say: see :mod:`console_svc.api.openapi`.

    :param summary: what it does, as the api-ref's section is called
    :param status: of an answer that is no fault
    :param body: the forms of what a request brings
    :param body_required: whether it must bring that
    :param answer: the forms of what it is answered; none: an empty body
    :param raises: faults that are particular to it
    :param since: the first microversion that has it
    :param before: the first one that no longer has it
    :param extension: it is console-svc's own, and its resource is not
    :param query: JSON Schemas of the query's parameters, by their names
    :param links: what can be asked with the answer: operationId -> ids of
        its path that are not in this one -> where they are in the answer
    """

    summary: str
    status: http.HTTPStatus = http.HTTPStatus.OK
    body: tuple[Form, ...] = ()
    body_required: bool = True
    answer: tuple[Form, ...] = ()
    raises: tuple[type[ConsoleSvcError], ...] = ()
    since: Version | None = None
    before: Version | None = None
    extension: bool = False
    query: Mapping[str, Mapping[str, Any]] = dataclasses.field(
        default_factory=dict
    )
    links: Mapping[str, Mapping[str, str]] = dataclasses.field(
        default_factory=dict
    )

    def __call__(self, handler: _Handler) -> _Handler:
        handler.operation = self
        return handler


def of(handler: Any) -> Operation | None:
    """A handler's operation; None: it answers methods that are none."""
    operation: Operation | None = getattr(handler, 'operation', None)
    return operation
