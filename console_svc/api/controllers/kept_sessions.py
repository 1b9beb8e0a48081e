# SPDX-License-Identifier: Apache-2.0

"""/console-sessions: what a console proxy has opened, however it did."""

import dataclasses
import http
from typing import Any

import webob

from console_svc import exception
from console_svc.api import schemas, views
from console_svc.api.controllers.base import Resource, Services, methods
from console_svc.api.request import Request
from console_svc.policies import sessions as policies


@dataclasses.dataclass(slots=True)
class KeptSessionsController(Resource):
    """/console-sessions"""

    services: Services
    index = methods()

    @index.when(method='PUT', template='json')
    def update(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        document = req.document()
        schemas.validate(schemas.KEPT_SESSIONS, document)
        self.services.policy.authorize(req.caller, policies.UPDATE)
        return views.kept_sessions(
            self.services.sessions.keep_all(
                document['console_sessions']['ids']
            )
        )

    def _lookup(self, segment: str, req: Request) -> Resource:
        if segment == '':
            raise exception.NotFound
        return KeptSessionController(self.services, segment)


@dataclasses.dataclass(slots=True)
class KeptSessionController(Resource):
    """/console-sessions/{session_id}"""

    services: Services
    session_id: str
    index = methods()

    @index.when(method='DELETE')
    def delete(self, req: Request, resp: webob.Response) -> None:
        self.services.policy.authorize(req.caller, policies.UPDATE)
        self.services.sessions.close(req.caller, None, self.session_id)
        resp.status_int = http.HTTPStatus.NO_CONTENT
