# SPDX-License-Identifier: Apache-2.0

"""/ and /v2.1: the version documents, and the way to the resources."""

import dataclasses
from typing import Any

import webob

from console_svc import exception
from console_svc.api import views
from console_svc.api.controllers.base import Resource, Services, methods
from console_svc.api.controllers.console_auth_tokens import (
    ConsoleAuthTokensController,
)
from console_svc.api.controllers.console_gateway import (
    ConsoleGatewayController,
)
from console_svc.api.controllers.kept_sessions import KeptSessionsController
from console_svc.api.controllers.servers import ServersController
from console_svc.api.request import Request


@dataclasses.dataclass(slots=True)
class RootController(Resource):
    """/"""

    services: Services
    index = methods()

    @index.when(method='GET', template='json')
    def get(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        return views.versions(req.application_url)

    def _lookup(self, segment: str, req: Request) -> Resource:
        if segment == 'v2.1':
            return VersionController(self.services)
        if segment == '':
            return self
        raise exception.NotFound


@dataclasses.dataclass(slots=True)
class VersionController(Resource):
    """/v2.1, and /v2.1/ as well"""

    services: Services
    index = methods()

    @index.when(method='GET', template='json')
    def get(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        return views.version(req.application_url)

    def _lookup(self, segment: str, req: Request) -> Resource:
        _ = req.microversion  # refused here, when the caller is known
        if segment == '':
            return self
        if segment in _resources(self.services):
            return _resource(segment, self.services)
        return ProjectController(self.services, segment)


@dataclasses.dataclass(slots=True)
class ProjectController(Resource):
    """/v2.1/{project_id}: the same resources, for clients of old."""

    services: Services
    project_id: str

    def _lookup(self, segment: str, req: Request) -> Resource:
        if segment not in _resources(
            self.services
        ) or not self.services.policy.can_see(req.caller, self.project_id):
            raise exception.NotFound
        return _resource(segment, self.services)


RESOURCES: dict[str, type[Any]] = {
    'servers': ServersController,
    'os-console-auth-tokens': ConsoleAuthTokensController,
}


#: Console-svc's own.
EXTENSIONS: dict[str, type[Any]] = {
    'console-sessions': KeptSessionsController,
    'console-gateway': ConsoleGatewayController,
}


def _resources(services: Services) -> dict[str, type[Any]]:
    if services.conf.api.extensions:
        return RESOURCES | EXTENSIONS
    return RESOURCES


def _resource(segment: str, services: Services) -> Resource:
    resource: Resource = _resources(services)[segment](services)
    return resource
