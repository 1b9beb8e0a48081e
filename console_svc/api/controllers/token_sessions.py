# SPDX-License-Identifier: Apache-2.0

"""/os-console-auth-tokens/{console_token}/sessions: use a token."""

import dataclasses
import http
from typing import Any

import webob

from console_svc import addresses, exception, over_limit
from console_svc.api.bodies import schema
from console_svc.api.bodies import sessions as bodies
from console_svc.api.controllers.base import Resource
from console_svc.api.operation import Form, Operation
from console_svc.api.request import Request
from console_svc.consoles.joining import NothingToJoin
from console_svc.consoles.new_sessions import TakeoverRefused
from console_svc.policies import sessions as policies


@dataclasses.dataclass(slots=True)
class TokenSessionsController(Resource):
    """/os-console-auth-tokens/{console_token}/sessions"""

    console_token: str

    @Operation(
        'POST',
        'Open a session',
        status=http.HTTPStatus.CREATED,
        body=(Form(bodies.OPEN.schema),),
        body_required=False,
        answer=bodies.OPENED,
        raises=(
            exception.WrongAddress,
            exception.SessionIdUsed,
            exception.TokenUsedUp,
            exception.TooManySessions,
            over_limit.UserOverLimit,
            over_limit.ProjectOverLimit,
            NothingToJoin,
            TakeoverRefused,
        ),
        links={
            'proxy_session_delete': {
                'session_id': '$response.body#/session/id'
            },
            'server_sessions_list': {
                'server_id': '$response.body#/session/instance_uuid'
            },
        },
    )
    def create(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        document = req.document()
        if document is None:
            document = {'session': {}}
        schema.validate(bodies.OPEN, document, bodies.has_secret(document))
        self.services.policy.authorize(req.caller, policies.CREATE)
        wanted = document['session']
        address = addresses.find(wanted.get('client_address'))
        previous_id = None
        if wanted.get('join', False):
            session, info = self.services.session_joins.join(
                req.caller, self.console_token, address
            )
        else:
            session, info, previous_id = self.services.sessions.open_by_token(
                req.caller,
                self.console_token,
                address,
                wanted.get('id'),
                wanted.get('secret'),
                wanted.get('previous_secret'),
                wanted.get('takeover', False),
            )
        return bodies.opened(session, info, self.services.clock(), previous_id)
