# SPDX-License-Identifier: Apache-2.0

"""/os-console-auth-tokens/{console_token}/sessions: a console proxy's."""

import dataclasses
import http
from typing import Any

import webob

from console_svc import exception
from console_svc.api import responses, schemas, views
from console_svc.api.controllers.base import Resource, methods
from console_svc.api.operation import Form, Operation
from console_svc.api.request import Request
from console_svc.policies import sessions as policies


@dataclasses.dataclass(slots=True)
class TokenSessionsController(Resource):
    """/os-console-auth-tokens/{console_token}/sessions"""

    index = methods()

    console_token: str

    @index.when(method='POST', template='json')
    @Operation(
        'Open a session',
        status=http.HTTPStatus.CREATED,
        body=(Form(schemas.SESSION.schema),),
        body_required=False,
        answer=responses.OPENED_SESSION,
        raises=(
            exception.WrongAddress,
            exception.TokenUsedUp,
            exception.TooManySessions,
        ),
        links={
            operation: {'session_id': '$response.body#/session/id'}
            for operation in ('proxy_session_delete',)
        },
    )
    def create(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        document = req.document()
        if document is None:
            document = {'session': {}}
        schemas.validate(schemas.SESSION, document)
        self.services.policy.authorize(req.caller, policies.CREATE)
        session, info = self.services.sessions.open_by_token(
            req.caller,
            self.console_token,
            document['session'].get('client_address'),
        )
        return views.opened_session(session, info)
