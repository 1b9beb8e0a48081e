# SPDX-License-Identifier: Apache-2.0

"""/ and /v2.1: the version documents, and the way to the resources."""

import dataclasses
from typing import Any

import webob

from console_svc import exception
from console_svc.api import responses, views
from console_svc.api.controllers.base import Resource, methods
from console_svc.api.controllers.console_auth_tokens import (
    ConsoleAuthTokensController,
)
from console_svc.api.controllers.console_gateway import (
    ConsoleGatewayController,
)
from console_svc.api.controllers.openapi import OpenApiController
from console_svc.api.controllers.proxy_sessions import ProxySessionsController
from console_svc.api.controllers.servers import ServersController
from console_svc.api.operation import Operation
from console_svc.api.request import Request


class VersionController(Resource):
    """/v2.1, and /v2.1/ as well"""

    children = {
        'os-console-auth-tokens': ConsoleAuthTokensController,
        'servers': ServersController,
    }
    extensions = {
        'console-gateway': ConsoleGatewayController,
        'console-sessions': ProxySessionsController,
    }
    index = methods()

    @index.when(method='GET', template='json')
    @Operation('Show the version', answer=responses.VERSION)
    def get(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        return views.version(req.application_url)

    def _lookup(self, segment: str, req: Request) -> Resource:
        _ = req.microversion  # refused here, when the caller is known
        if segment == '':
            return self
        return self.child(segment) or ProjectController(self.services, segment)


@dataclasses.dataclass(slots=True)
class ProjectController(Resource):
    """/v2.1/{project_id}: the same resources, for clients of old."""

    project_id: str

    def _lookup(self, segment: str, req: Request) -> Resource:
        resource = VersionController(self.services).child(segment)
        if resource is None or not self.services.policy.can_see(
            req.caller, self.project_id
        ):
            raise exception.NotFound
        return resource


class RootController(Resource):
    """/"""

    children = {
        'openapi.json': OpenApiController,
        'v2.1': VersionController,
    }
    index = methods()

    @index.when(method='GET', template='json')
    @Operation('List versions', answer=responses.VERSIONS)
    def get(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        return views.versions(req.application_url)

    def _lookup(self, segment: str, req: Request) -> Resource:
        return self if segment == '' else super()._lookup(segment, req)
