"""/os-console-auth-tokens/{console_token}: where does this token lead?"""

import dataclasses
from typing import Any

import webob

from console_svc import exception
from console_svc.api import microversion, schemas, views
from console_svc.api.controllers.base import Resource, Services, methods
from console_svc.api.request import Request
from console_svc.consoles.models import ConsoleType
from console_svc.policies import console_auth_tokens as policies


@dataclasses.dataclass(slots=True)
class ConsoleAuthTokensController(Resource):
    """/os-console-auth-tokens"""

    services: Services

    def _lookup(self, segment: str, req: Request) -> Resource:
        if segment == '':
            raise exception.NotFound
        return ConsoleAuthTokenController(self.services, segment)


@dataclasses.dataclass(slots=True)
class ConsoleAuthTokenController(Resource):
    """/os-console-auth-tokens/{console_token}"""

    services: Services
    console_token: str
    index = methods()

    @index.when(method='GET', template='json')
    def show(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        version = req.microversion
        if version >= microversion.SPICE_DIRECT:
            schemas.validate(schemas.NO_QUERY, req.query())
        self.services.policy.authorize(req.caller, policies.SHOW)
        token = self.services.tokens.validate(self.console_token)
        if (
            version < microversion.ALL_TOKEN_TYPES
            and token.console_type != ConsoleType.RDP_HTML5
        ):
            raise exception.ConsoleTypeNotAccessible
        return views.connect_info(token, version)
