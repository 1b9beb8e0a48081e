# SPDX-License-Identifier: Apache-2.0

"""/console-gateway/authentications: is this a native console's password?"""

import dataclasses
import http
from typing import Any

import webob

from console_svc import exception
from console_svc.api import schemas, views
from console_svc.api.controllers.base import Resource, Services, methods
from console_svc.api.request import Request
from console_svc.policies import console_gateway as policies


@dataclasses.dataclass(slots=True)
class ConsoleGatewayController(Resource):
    """/console-gateway"""

    services: Services

    def _lookup(self, segment: str, req: Request) -> Resource:
        if segment != 'authentications':
            raise exception.NotFound
        return AuthenticationsController(self.services)


@dataclasses.dataclass(slots=True)
class AuthenticationsController(Resource):
    """/console-gateway/authentications"""

    services: Services
    index = methods()

    @index.when(method='POST', template='json')
    def create(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        document = req.document()
        schemas.validate(schemas.AUTHENTICATION, document, is_secret=True)
        self.services.policy.authorize(req.caller, policies.AUTHENTICATE)
        wanted = document['authentication']
        session, token = self.services.gateway.authenticate(
            req.caller,
            int(wanted['port']) if 'port' in wanted else wanted['user_name'],
            bytes.fromhex(wanted['challenge']),
            bytes.fromhex(wanted['response']),
            wanted.get('client_address'),
        )
        resp.status_int = http.HTTPStatus.CREATED
        return views.opened_session(session, token)
