# SPDX-License-Identifier: Apache-2.0

"""/console-sessions: what a console proxy has opened, however it did."""

import dataclasses
import http
from typing import Any

import webob

from console_svc.api import responses, schemas, views
from console_svc.api.controllers.base import Resource, methods
from console_svc.api.operation import Form, Operation
from console_svc.api.request import Request
from console_svc.policies import sessions as policies


@dataclasses.dataclass(slots=True)
class ProxySessionController(Resource):
    """/console-sessions/{session_id}"""

    session_id: str
    index = methods()

    @index.when(method='DELETE')
    @Operation('Close a session by its id', status=http.HTTPStatus.NO_CONTENT)
    def delete(self, req: Request, resp: webob.Response) -> None:
        self.services.policy.authorize(req.caller, policies.UPDATE)
        self.services.sessions.close(req.caller, self.session_id)


class ProxySessionsController(Resource):
    """/console-sessions"""

    item = ProxySessionController
    index = methods()

    @index.when(method='PUT', template='json')
    @Operation(
        'Keep sessions alive',
        body=(Form(schemas.KEPT_SESSIONS.schema),),
        answer=responses.KEPT_SESSIONS,
    )
    def update(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        document = req.document()
        schemas.validate(schemas.KEPT_SESSIONS, document)
        self.services.policy.authorize(req.caller, policies.UPDATE)
        return views.kept_sessions(
            self.services.sessions.keep(document['console_sessions']['ids'])
        )
