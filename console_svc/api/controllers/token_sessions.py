# SPDX-License-Identifier: Apache-2.0

"""/os-console-auth-tokens/{console_token}/sessions: a console proxy's."""

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
class TokenSessionsController(Resource):
    """/os-console-auth-tokens/{console_token}/sessions"""

    services: Services
    console_token: str
    index = methods()

    @index.when(method='POST', template='json')
    def create(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        document = req.document() or {'session': {}}
        schemas.validate(schemas.SESSION, document)
        self.services.policy.authorize(req.caller, policies.CREATE)
        session, token = self.services.sessions.open(
            req.caller,
            self.console_token,
            document['session'].get('client_address'),
        )
        resp.status_int = http.HTTPStatus.CREATED
        return views.opened_session(session, token)

    def _lookup(self, segment: str, req: Request) -> Resource:
        if segment == '':
            raise exception.NotFound
        return TokenSessionController(
            self.services, self.console_token, segment
        )


@dataclasses.dataclass(slots=True)
class TokenSessionController(Resource):
    """/os-console-auth-tokens/{console_token}/sessions/{session_id}"""

    services: Services
    console_token: str
    session_id: str
    index = methods()

    @index.when(method='PUT', template='json')
    def update(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        self.services.policy.authorize(req.caller, policies.UPDATE)
        session = self.services.sessions.keep(
            self.console_token, self.session_id
        )
        return views.kept_session(session)

    @index.when(method='DELETE')
    def delete(self, req: Request, resp: webob.Response) -> None:
        self.services.policy.authorize(req.caller, policies.UPDATE)
        self.services.sessions.close(
            req.caller, self.console_token, self.session_id
        )
        resp.status_int = http.HTTPStatus.NO_CONTENT
