# SPDX-License-Identifier: Apache-2.0

"""What the controllers share."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pecan
import webob

from console_svc import exception
from console_svc.api.request import Request
from console_svc.objects import Server
from console_svc.services import Services


@dataclasses.dataclass(slots=True)
class Resource:
    """A node of the URL tree.

    A class adds a field for the id in its path where it has one.
    """

    #: The methods of the resource (:func:`methods`); None: it is no
    #: resource itself, but leads to others.
    index: ClassVar[Any] = None
    #: What is below it, by the path's next segment.
    children: ClassVar[Mapping[str, type['Resource']]] = {}
    #: The same, console-svc's own: see ``[api] extensions``.
    extensions: ClassVar[Mapping[str, type['Resource']]] = {}
    #: What is below it with any other segment, which is an id.
    item: ClassVar[type['Resource'] | None] = None

    services: Services

    def _lookup(self, segment: str, req: Request) -> 'Resource':
        """The resource below this one.

        :param segment: of the path, decoded; '' after a trailing slash
        :raises console_svc.exception.NotFound: there is none
        """
        resource = self.child(segment)
        if resource is not None:
            return resource
        if self.item is None or segment == '':
            raise exception.NotFound
        return self._below(self.item, segment)

    def child(self, segment: str) -> 'Resource | None':
        """The resource below this one that is called so, if there is one."""
        found = self.children.get(segment)
        if segment in self.extensions and self.has_extensions():
            found = self.extensions[segment]
        return None if found is None else self._below(found)

    def has_extensions(self) -> bool:
        """Whether what is console-svc's own is served."""
        served: bool = self.services.conf.api.extensions
        return served

    def _below(
        self, child: Callable[..., 'Resource'], *ids: str
    ) -> 'Resource':
        known = (getattr(self, name) for name in self.__match_args__)
        return child(*known, *ids)


@dataclasses.dataclass(slots=True)
class ServerResource(Resource):
    """A node below /servers/{server_id}."""

    server_id: str

    def authorized_server(self, req: Request, rule: str) -> Server:
        """The server, if the caller may do this with it.

        It is looked up when the body is known to be good, and before
        policy is asked: who can't see a server gets a 404 for everything.

        :param rule: of what is to be done
        :raises console_svc.exception.ServerNotFound: not for this caller
        :raises console_svc.exception.Forbidden: policy says no
        """
        server = self.services.servers.get(req.caller, self.server_id)
        self.services.policy.authorize(req.caller, rule, server.project_id)
        return server


def methods() -> Any:
    """The ``index`` of a resource; its ``when`` adds the methods.

    A method that was not added is a 405, which says which were. What is
    added with ``template='json'`` returns the body of its answer.
    """

    @pecan.expose(generic=True)
    def index(self: Resource, req: Request, resp: webob.Response) -> None:
        allowed = _allowed(self)
        if req.method != 'OPTIONS':
            raise exception.MethodNotAllowed(req.method, allowed)
        resp.headers['Allow'] = allowed

    return index


def _allowed(resource: Resource) -> str:
    names = set(resource.index._pecan['allowed_methods'])
    if 'GET' in names:
        names.add('HEAD')
    return ', '.join(sorted(names))
