# SPDX-License-Identifier: Apache-2.0

"""/servers/{server_id}/console-auth-tokens: tokens with terms; revoke all."""

import http
from typing import Any

import webob

from console_svc import exception, over_limit
from console_svc.api.bodies import schema
from console_svc.api.bodies import server_tokens as bodies
from console_svc.api.controllers.base import ServerResource
from console_svc.api.operation import Form, Operation
from console_svc.api.request import Request
from console_svc.consoles import access_url, terms
from console_svc.objects import SessionMode
from console_svc.policies import server_tokens as policies
from console_svc.policies import sessions as session_policies

_RULES = {
    SessionMode.CONTROL: policies.CREATE_CONTROL,
    SessionMode.VIEW: policies.CREATE_VIEW,
}


class ServerTokensController(ServerResource):
    """/servers/{server_id}/console-auth-tokens"""

    @Operation(
        'POST',
        'Issue a token with terms',
        status=http.HTTPStatus.CREATED,
        body=(Form(bodies.CREATE.schema),),
        answer=bodies.CREATED,
        raises=(
            terms.TermsRefused,
            terms.NotViewable,
            terms.NotRecordable,
            exception.ConsoleTypeUnavailable,
            exception.ServerNotReady,
            over_limit.ProjectOverLimit,
        ),
        links={
            'console_auth_token_delete': {
                'console_token': '$response.body#/console_auth_token/token'
            }
        },
    )
    def create(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        document = req.document()
        schema.validate(bodies.CREATE, document)
        wanted = document['console_auth_token']
        asked = bodies.terms(wanted)
        server = self.authorized_server(req, _RULES[asked.mode])
        conf, caller = self.services.conf, req.caller
        terms.check(conf, asked, wanted['type'], caller.client_address)
        token, stored = self.services.tokens.issue_with(
            caller,
            server,
            wanted['type'],
            asked,
            lists_sessions=self.lists_sessions(req, server),
        )
        return bodies.created(
            token,
            access_url.build(conf, stored.console_type, token),
            stored,
            terms.max_uses(stored.max_uses, conf.consoleauth.max_uses),
        )

    @Operation(
        'DELETE', "Revoke a server's tokens", status=http.HTTPStatus.NO_CONTENT
    )
    def delete(self, req: Request, resp: webob.Response) -> None:
        server = self.authorized_server(req, session_policies.REVOKE)
        self.services.tokens.revoke_server(req.caller, server.id)
