# SPDX-License-Identifier: Apache-2.0

"""/console-gateway/authentications: is this a native console's password?"""

import http
from typing import Any

import webob

from console_svc import exception
from console_svc.api import responses, schemas, views
from console_svc.api.controllers.base import Resource, methods
from console_svc.api.operation import Form, Operation
from console_svc.api.request import Request
from console_svc.policies import console_gateway as policies


class AuthenticationsController(Resource):
    """/console-gateway/authentications"""

    index = methods()

    @index.when(method='POST', template='json')
    @Operation(
        'Log in to a console',
        status=http.HTTPStatus.CREATED,
        body=(Form(schemas.AUTHENTICATION.schema),),
        answer=responses.OPENED_SESSION,
        raises=(
            exception.AuthenticationFailed,
            exception.ConsoleLocked,
            exception.ConsoleNotFound,
            exception.ConsoleUsedUp,
            exception.PasswordUnreadable,
            exception.TooManySessions,
        ),
    )
    def create(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        document = req.document()
        schemas.validate(schemas.AUTHENTICATION, document, is_secret=True)
        self.services.policy.authorize(req.caller, policies.AUTHENTICATE)
        wanted = document['authentication']
        session, info = self.services.login.log_in(
            req.caller,
            int(wanted['port']) if 'port' in wanted else wanted['user_name'],
            bytes.fromhex(wanted['challenge']),
            bytes.fromhex(wanted['response']),
            wanted.get('client_address'),
        )
        return views.opened_session(session, info)


class ConsoleGatewayController(Resource):
    """/console-gateway"""

    children = {'authentications': AuthenticationsController}
