# SPDX-License-Identifier: Apache-2.0

"""/servers/{server_id}/console-sessions: its console sessions."""

import dataclasses
import http
from typing import Any

import webob

from console_svc import exception
from console_svc.api.bodies import schema, session_query
from console_svc.api.bodies import sessions as bodies
from console_svc.api.bodies.session_lists import LISTED
from console_svc.api.controllers import session_lists
from console_svc.api.controllers.base import ServerResource
from console_svc.api.operation import Form, Operation
from console_svc.api.request import Request
from console_svc.consoles.terms import NotViewable
from console_svc.objects import SessionMode
from console_svc.policies import sessions as policies


@dataclasses.dataclass(slots=True)
class ServerSessionController(ServerResource):
    """/servers/{server_id}/console-sessions/{session_id}"""

    session_id: str

    @Operation(
        'PUT',
        'Hand over a session',
        body=(Form(bodies.SET_MODE.schema),),
        answer=bodies.SHOWN,
        raises=(NotViewable,),
    )
    def update(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        document = req.document()
        schema.validate(bodies.SET_MODE, document)
        server = self.authorized_server(req, policies.SET_MODE)
        mode = SessionMode(document['console_session']['mode'])
        session = self.services.session_modes.change(
            req.caller, server, self.session_id, mode
        )
        return bodies.shown(session)

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
        answer=LISTED,
        raises=(exception.BadRequest,),
        links={
            operation: {'session_id': '$response.body#/console_sessions/0/id'}
            for operation in ('server_session_update', 'server_session_delete')
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
