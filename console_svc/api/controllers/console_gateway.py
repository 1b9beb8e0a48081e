# SPDX-License-Identifier: Apache-2.0

"""/console-gateway/authentications: log in to a native console."""

import http
from typing import Any

import webob

from console_svc import addresses, exception, over_limit
from console_svc.api.bodies import gateway as bodies
from console_svc.api.bodies import schema, sessions
from console_svc.api.controllers.base import Resource
from console_svc.api.operation import Form, Operation
from console_svc.api.request import Request
from console_svc.policies import console_gateway as policies


class AuthenticationsController(Resource):
    """/console-gateway/authentications"""

    @Operation(
        'POST',
        'Log in to a console',
        status=http.HTTPStatus.CREATED,
        body=(Form(bodies.LOG_IN.schema),),
        answer=sessions.OPENED,
        raises=(
            exception.AuthenticationFailed,
            exception.ConsoleLocked,
            exception.ConsoleNotFound,
            exception.ConsoleUsedUp,
            exception.PasswordUnreadable,
            exception.SessionIdUsed,
            exception.TooManySessions,
            over_limit.UserOverLimit,
            over_limit.ProjectOverLimit,
        ),
    )
    def create(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        document = req.document()
        schema.validate(bodies.LOG_IN, document, is_secret=True)
        self.services.policy.authorize(req.caller, policies.AUTHENTICATE)
        body = document['authentication']
        session, info = self.services.login.log_in(
            req.caller,
            int(body['port']) if 'port' in body else body['user_name'],
            bytes.fromhex(body['challenge']),
            bytes.fromhex(body['response']),
            addresses.find(body.get('client_address')),
            body.get('id'),
        )
        return sessions.opened(session, info, self.services.clock())


class ConsoleGatewayController(Resource):
    """/console-gateway"""

    children = {'authentications': AuthenticationsController}
