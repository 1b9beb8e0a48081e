# SPDX-License-Identifier: Apache-2.0

"""The routes of the API, as the tree of controllers has them."""

import dataclasses
import re
from collections.abc import Iterator, Mapping

from console_svc.api.controllers.base import Resource
from console_svc.api.operation import Operation, of


@dataclasses.dataclass(frozen=True, slots=True)
class Route:
    """A method of a path.

    :param path: with the names of ids in braces
    :param id: the operationId
    """

    method: str
    path: str
    id: str
    operation: Operation

    @property
    def ids(self) -> list[str]:
        """The names of the ids in the path."""
        return re.findall(r'{(\w+)}', self.path)


def walk(
    root: type[Resource], extensions: bool, servers: bool, recordings: bool
) -> list[Route]:
    """All routes, in the order of the tree.

    :param extensions: whether to include console-svc's own
    :param servers: whether to include those that list and show servers
    :param recordings: whether to include those of recordings
    """
    return [
        route
        for path, resource in resources(root, extensions)
        for route in _routes(path, resource)
        if (extensions or not route.operation.extension)
        and (servers or not route.operation.without_nova)
        and (recordings or not route.operation.of_recordings)
    ]


def resources(
    resource: type[Resource], extensions: bool, path: str = ''
) -> Iterator[tuple[str, type[Resource]]]:
    """The paths below a resource, and the resources there."""
    if resource.methods:
        yield path or '/', resource
    children = dict(resource.children)
    if extensions:
        children |= resource.extensions
    for segment, child in children.items():
        yield from resources(child, extensions, f'{path}/{segment}')
    if resource.item is not None:
        # The id of a resource itself is the last of its fields.
        name = resource.item.__match_args__[-1]
        yield from resources(resource.item, extensions, f'{path}/{{{name}}}')


def labels(root: type[Resource]) -> Mapping[type[Resource], str]:
    """The paths of resources as metrics name them: without /v2.1."""
    return {
        resource: path.removeprefix('/v2.1') or path
        for path, resource in resources(root, extensions=True)
    }


def _routes(path: str, resource: type[Resource]) -> Iterator[Route]:
    name = resource.__name__.removesuffix('Controller')
    prefix = re.sub(r'(?<=[a-z])(?=[A-Z])', '_', name).lower()
    for method, handler in resource.methods.items():
        operation = of(handler)
        if operation:
            yield Route(
                method, path, f'{prefix}_{handler.__name__}', operation
            )
