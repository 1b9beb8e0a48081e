# SPDX-License-Identifier: Apache-2.0

"""What the controllers share."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import webob

from console_svc import exception
from console_svc.api import operation
from console_svc.api.operation import Operation
from console_svc.api.request import Request
from console_svc.objects import Server
from console_svc.policies import sessions as session_policies
from console_svc.services import Services


@dataclasses.dataclass(slots=True)
class Resource:
    """A node of the URL tree.

    A class adds a field for the id in its path where it has one.
    """

    #: What is below it, by the next segment of the path.
    children: ClassVar[Mapping[str, type['Resource']]] = {}
    #: The same, console-svc's own: see ``[api] extensions``.
    extensions: ClassVar[Mapping[str, type['Resource']]] = {}
    #: What is below it with any other segment, which is an id.
    item: ClassVar[type['Resource'] | None] = None
    #: Method -> the function that handles it. None: it only leads to others.
    methods: ClassVar[Mapping[str, Callable[..., Any]]] = {}

    services: Services

    def __init_subclass__(cls) -> None:
        found = ((operation.of(it), it) for it in vars(cls).values())
        cls.methods = {it.method: handler for it, handler in found if it}

    def child_at(self, segment: str, req: Request) -> 'Resource':
        """The resource below this one.

        :param segment: of the path, decoded; '' after a trailing slash
        :raises console_svc.exception.NotFound: there is no such resource
        """
        resource = self.child(segment)
        if resource is not None:
            return resource
        if self.item is None or segment == '':
            raise exception.NotFound
        return self._below(self.item, segment)

    def child(self, segment: str) -> 'Resource | None':
        """The resource below this one that has this name, if any."""
        found = self.children.get(segment)
        if segment in self.extensions and self.has_extensions():
            found = self.extensions[segment]
        return None if found is None else self._below(found)

    def has_extensions(self) -> bool:
        """Whether console-svc's own resources and methods are served."""
        served: bool = self.services.conf.api.extensions
        return served

    def serves(self, described: Operation) -> bool:
        """Whether an operation is served, as the service is configured."""
        if described.extension and not self.has_extensions():
            return False
        if described.of_recordings and not self.services.conf.api.recordings:
            return False
        return not described.without_nova or self.services.serves_servers

    def served(self) -> set[str]:
        """The methods that are served, as the service is configured."""
        found = map(operation.of, self.methods.values())
        return {it.method for it in found if it and self.serves(it)}

    def allowed(self) -> str:
        """The methods, as the Allow header names them."""
        names = self.served()
        if 'GET' in names:
            names.add('HEAD')
        return ', '.join(sorted(names))

    def options(self, req: Request, resp: webob.Response) -> None:
        """Answer OPTIONS."""
        resp.headers['Allow'] = self.allowed()

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

        Call it once the body is known to be valid. It looks the server up
        before it asks policy: who cannot see a server gets a 404 for
        everything.

        :param rule: the rule of the operation
        :raises console_svc.exception.ServerNotFound: not for this caller
        :raises console_svc.exception.Forbidden: policy says no
        """
        server = self.services.servers.get(req.caller, self.server_id)
        self.services.policy.authorize(req.caller, rule, server.project_id)
        return server

    def lists_sessions(self, req: Request, server: Server) -> bool:
        """Whether the caller may list the sessions of a server.

        Without extensions, there is no such list. Access rules of application
        credentials were checked for this request alone.
        """
        return (
            self.has_extensions()
            and not req.caller.has_access_rules
            and self.services.policy.allows(
                req.caller, session_policies.INDEX, server.project_id
            )
        )
