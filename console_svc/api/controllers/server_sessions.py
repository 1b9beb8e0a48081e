# SPDX-License-Identifier: Apache-2.0

"""/servers/{server_id}: its console sessions, and all of its tokens."""

import dataclasses
import http
from typing import Any

import webob

from console_svc import exception
from console_svc.api.bodies import session_query
from console_svc.api.bodies import sessions as bodies
from console_svc.api.controllers import session_lists
from console_svc.api.controllers.base import ServerResource
from console_svc.api.operation import Operation
from console_svc.api.request import Request
from console_svc.policies import sessions as policies


@dataclasses.dataclass(slots=True)
class ServerSessionController(ServerResource):
    """/servers/{server_id}/console-sessions/{session_id}"""

    session_id: str

    @Operation('DELETE', 'End a session', status=http.HTTPStatus.NO_CONTENT)
    def delete(self, req: Request, resp: webob.Response) -> None:
        server = self.authorized_server(req, policies.DELETE)
        self.services.sessions.end(req.caller, server, self.session_id)


class ServerSessionsController(ServerResource):
    """/servers/{server_id}/console-sessions"""

    item = ServerSessionController

    @Operation(
        'GET',
        "List a server's sessions",
        query=session_query.OF_SERVER,
        answer=bodies.LISTED,
        raises=(exception.BadRequest,),
        links={
            'server_session_delete': {
                'session_id': '$response.body#/console_sessions/0/id'
            }
        },
    )
    def list(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        status, query = session_query.of_server(
            req.query(), self.server_id, self.services.conf.api.max_limit
        )
        self.authorized_server(req, policies.INDEX)
        return session_lists.page(
            req, self.services.session_lists, status, query
        )


class ServerTokensController(ServerResource):
    """/servers/{server_id}/console-auth-tokens"""

    @Operation(
        'DELETE', "Revoke a server's tokens", status=http.HTTPStatus.NO_CONTENT
    )
    def delete(self, req: Request, resp: webob.Response) -> None:
        server = self.authorized_server(req, policies.REVOKE)
        self.services.tokens.revoke_server(req.caller, server.id)
