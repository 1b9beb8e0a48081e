# SPDX-License-Identifier: Apache-2.0

"""/os-console-auth-tokens/{console_token}: where does this token lead?"""

import dataclasses
import http
from typing import Any

import webob

from console_svc import exception
from console_svc.api import microversion, responses, schemas, views
from console_svc.api.controllers.base import Resource, methods
from console_svc.api.controllers.token_sessions import (
    TokenSessionsController,
)
from console_svc.api.operation import Operation
from console_svc.api.request import Request
from console_svc.objects import ConsoleType
from console_svc.policies import console_auth_tokens as policies
from console_svc.policies import sessions as session_policies


@dataclasses.dataclass(slots=True)
class ConsoleAuthTokenController(Resource):
    """/os-console-auth-tokens/{console_token}"""

    extensions = {'sessions': TokenSessionsController}
    index = methods()

    console_token: str

    @index.when(method='GET', template='json')
    @Operation(
        'Show where a token leads',
        answer=responses.CONNECT_INFO,
        raises=(exception.BadRequest, exception.ConsoleTypeNotAccessible),
    )
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

    @index.when(method='DELETE')
    @Operation(
        'Revoke a token',
        status=http.HTTPStatus.NO_CONTENT,
        extension=True,
    )
    def delete(self, req: Request, resp: webob.Response) -> None:
        project_id = self.services.tokens.get_project(self.console_token)
        if not self.services.policy.can_see(req.caller, project_id):
            raise exception.TokenNotFound
        self.services.policy.authorize(
            req.caller, session_policies.REVOKE, project_id
        )
        self.services.tokens.revoke(req.caller, self.console_token)


class ConsoleAuthTokensController(Resource):
    """/os-console-auth-tokens"""

    item = ConsoleAuthTokenController
