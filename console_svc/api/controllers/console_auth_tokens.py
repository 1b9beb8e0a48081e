# SPDX-License-Identifier: Apache-2.0

"""/os-console-auth-tokens/{console_token}: where does this token lead?"""

import dataclasses
import http
from typing import Any

import webob

from console_svc import exception
from console_svc.api import microversion, schemas, views
from console_svc.api.controllers.base import Resource, Services, methods
from console_svc.api.controllers.token_sessions import (
    TokenSessionsController,
)
from console_svc.api.request import Request
from console_svc.consoles.models import ConsoleType
from console_svc.policies import console_auth_tokens as policies
from console_svc.policies import sessions as session_policies


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
        token = self.services.tokens.validate(req.caller, self.console_token)
        if (
            version < microversion.ALL_TOKEN_TYPES
            and token.console_type != ConsoleType.RDP_HTML5
        ):
            raise exception.ConsoleTypeNotAccessible
        return views.connect_info(token, version)

    # From here on: console-svc's own.

    @index.when(method='DELETE')
    def delete(self, req: Request, resp: webob.Response) -> None:
        self._extensions()
        project_id = self.services.tokens.project_of(self.console_token)
        if not self.services.policy.can_see(req.caller, project_id):
            raise exception.TokenNotFound
        self.services.policy.authorize(
            req.caller, session_policies.REVOKE, project_id
        )
        self.services.tokens.revoke(req.caller, self.console_token)
        resp.status_int = http.HTTPStatus.NO_CONTENT

    def _lookup(self, segment: str, req: Request) -> Resource:
        self._extensions()
        if segment != 'sessions':
            raise exception.NotFound
        return TokenSessionsController(self.services, self.console_token)

    def _extensions(self) -> None:
        if not self.services.conf.api.extensions:
            raise exception.NotFound
