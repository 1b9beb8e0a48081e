# SPDX-License-Identifier: Apache-2.0

"""/os-console-auth-tokens/{console_token}: look up and revoke a token."""

import dataclasses
import http
from typing import Any

import webob

from console_svc import exception
from console_svc.api import microversion
from console_svc.api.bodies import schema
from console_svc.api.bodies import tokens as bodies
from console_svc.api.controllers.base import Resource
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
    console_token: str

    @Operation(
        'GET',
        'Show where a token leads',
        answer=bodies.CONNECT_INFO,
        raises=(exception.BadRequest, exception.ConsoleTypeNotAccessible),
    )
    def show(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        version = req.microversion
        if version >= microversion.SPICE_DIRECT:
            schema.validate(bodies.NO_QUERY, req.query())
        self.services.policy.authorize(req.caller, policies.SHOW)
        token = self.services.tokens.look_up(req.caller, self.console_token)
        if (
            version < microversion.ALL_TOKEN_TYPES
            and token.console_type != ConsoleType.RDP_HTML5
        ):
            raise exception.ConsoleTypeNotAccessible
        return bodies.connect_info(token, version)

    @Operation(
        'DELETE',
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
