# SPDX-License-Identifier: Apache-2.0

"""The routes that there are: what the controllers' tree leads to."""

import dataclasses
import re
from collections.abc import Iterator

from console_svc.api import operation
from console_svc.api.controllers.base import Resource


@dataclasses.dataclass(frozen=True, slots=True)
class Route:
    """A method of a path.

    :param path: with the names of ids in braces
    :param id: the operationId
    """

    method: str
    path: str
    id: str
    operation: operation.Operation

    @property
    def ids(self) -> list[str]:
        """The names of the ids in the path."""
        return re.findall(r'{(\w+)}', self.path)


def walk(root: type[Resource], extensions: bool) -> list[Route]:
    """All routes, in the order of the tree.

    :param extensions: with console-svc's own
    """
    return [
        route
        for path, resource in resources(root, extensions)
        for route in _routes(path, resource)
        if extensions or not route.operation.extension
    ]


def resources(
    resource: type[Resource], extensions: bool, path: str = ''
) -> Iterator[tuple[str, type[Resource]]]:
    """Paths, and what is there."""
    if resource.index is not None:
        yield path or '/', resource
    children = dict(resource.children)
    if extensions:
        children |= resource.extensions
    for segment, child in children.items():
        yield from resources(child, extensions, f'{path}/{segment}')
    if resource.item is not None:
        # A class has its own id last.
        name = resource.item.__match_args__[-1]
        yield from resources(resource.item, extensions, f'{path}/{{{name}}}')


def _routes(path: str, resource: type[Resource]) -> Iterator[Route]:
    for method, handler in resource.index._pecan['generic_handlers'].items():
        described = operation.of(handler)
        if described:
            name = resource.__name__.removesuffix('Controller')
            words = re.sub(r'(?<=[a-z])(?=[A-Z])', '_', name).lower()
            yield Route(method, path, f'{words}_{handler.__name__}', described)
