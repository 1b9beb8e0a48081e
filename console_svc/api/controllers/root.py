# SPDX-License-Identifier: Apache-2.0

"""/ and /v2.1: the version documents; they lead to all resources."""

import dataclasses
import functools
from typing import Any

import webob

from console_svc import exception
from console_svc.api.bodies import versions as bodies
from console_svc.api.controllers.base import Resource
from console_svc.api.controllers.console_auth_tokens import (
    ConsoleAuthTokensController,
)
from console_svc.api.controllers.console_gateway import (
    ConsoleGatewayController,
)
from console_svc.api.controllers.openapi import OpenApiController
from console_svc.api.controllers.proxy_sessions import ProxySessionsController
from console_svc.api.controllers.recording_reads import (
    RecordingReadsController,
)
from console_svc.api.controllers.servers import ServersController
from console_svc.api.openapi import document
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
        'console-recording-reads': RecordingReadsController,
        'console-sessions': ProxySessionsController,
    }

    @Operation('GET', 'Show the version', answer=bodies.SHOWN)
    def get(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        return bodies.shown(req.application_url)

    def child_at(self, segment: str, req: Request) -> Resource:
        # Refuses a wrong version here: after authentication, as nova does.
        _ = req.microversion
        if segment == '':
            return self
        return self.child(segment) or ProjectController(self.services, segment)


@dataclasses.dataclass(slots=True)
class ProjectController(Resource):
    """/v2.1/{project_id}: the same resources, in the older form of paths"""

    project_id: str

    def child_at(self, segment: str, req: Request) -> Resource:
        resource = VersionController(self.services).child(segment)
        if resource is None or not self.services.policy.can_see(
            req.caller, self.project_id
        ):
            raise exception.NotFound
        return resource


class RootController(Resource):
    """/

    It lives as long as the application; the other resources are made for
    each request.
    """

    children = {
        'openapi.json': OpenApiController,
        'v2.1': VersionController,
    }

    @functools.cached_property
    def openapi(self) -> str:
        """The OpenAPI document, in JSON, made when it is first asked for."""
        return document.render(
            RootController, self.services.conf, self.services.serves_servers
        )

    @Operation('GET', 'List versions', answer=bodies.LISTED)
    def get(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        return bodies.listed(req.application_url)

    def child_at(self, segment: str, req: Request) -> Resource:
        if segment == '':
            return self
        if segment == 'openapi.json':
            return OpenApiController(self.services, lambda: self.openapi)
        return super().child_at(segment, req)
