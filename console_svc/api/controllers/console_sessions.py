# SPDX-License-Identifier: Apache-2.0

"""/servers/{server_id}/console-sessions: who is on its consoles now."""

import dataclasses
import http
from typing import Any

import webob

from console_svc import exception
from console_svc.api import views
from console_svc.api.controllers.base import (
    Resource,
    ServerResource,
    methods,
)
from console_svc.api.request import Request
from console_svc.policies import sessions as policies


class ConsoleSessionsController(ServerResource):
    """/servers/{server_id}/console-sessions"""

    index = methods()

    @index.when(method='GET', template='json')
    def list(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        server = self.authorized_server(req, policies.INDEX)
        return views.console_sessions(self.services.sessions.list(server))

    def _lookup(self, segment: str, req: Request) -> Resource:
        if segment == '':
            raise exception.NotFound
        return ConsoleSessionController(self.services, self.server_id, segment)


@dataclasses.dataclass(slots=True)
class ConsoleSessionController(ServerResource):
    """/servers/{server_id}/console-sessions/{session_id}"""

    session_id: str
    index = methods()

    @index.when(method='DELETE')
    def delete(self, req: Request, resp: webob.Response) -> None:
        server = self.authorized_server(req, policies.DELETE)
        self.services.sessions.end(req.caller, server, self.session_id)
        resp.status_int = http.HTTPStatus.NO_CONTENT


class ServerTokensController(ServerResource):
    """/servers/{server_id}/console-auth-tokens"""

    index = methods()

    @index.when(method='DELETE')
    def delete(self, req: Request, resp: webob.Response) -> None:
        server = self.authorized_server(req, policies.REVOKE)
        self.services.tokens.revoke_server(req.caller, server.id)
        resp.status_int = http.HTTPStatus.NO_CONTENT
