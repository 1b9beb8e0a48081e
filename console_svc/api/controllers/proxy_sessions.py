# SPDX-License-Identifier: Apache-2.0

"""/console-sessions: the sessions of all servers and console proxies."""

import dataclasses
import http
from typing import Any

import webob

from console_svc import exception
from console_svc.api.bodies import keep_alives, schema, session_query
from console_svc.api.bodies.session_lists import LISTED
from console_svc.api.controllers import session_lists
from console_svc.api.controllers.base import Resource
from console_svc.api.operation import Form, Operation
from console_svc.api.request import Request
from console_svc.policies import sessions as policies


@dataclasses.dataclass(slots=True)
class ProxySessionController(Resource):
    """/console-sessions/{session_id}"""

    session_id: str

    @Operation(
        'DELETE',
        'Close a session',
        status=http.HTTPStatus.NO_CONTENT,
    )
    def delete(self, req: Request, resp: webob.Response) -> None:
        self.services.policy.authorize(req.caller, policies.UPDATE)
        self.services.sessions.close(req.caller, self.session_id)


class ProxySessionsController(Resource):
    """/console-sessions"""

    item = ProxySessionController

    @Operation(
        'GET',
        'List the sessions of all servers',
        query=session_query.OF_ALL,
        answer=LISTED,
        raises=(exception.BadRequest,),
    )
    def list(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        status, query = session_query.of_all(
            req.query(), self.services.conf.api.max_limit
        )
        self.services.policy.authorize(req.caller, policies.INDEX_ALL)
        return session_lists.page(
            req, self.services.session_lists, status, query
        )

    @Operation(
        'PUT',
        'Keep sessions alive, or close several',
        body=(Form(keep_alives.KEEP.schema),),
        answer=keep_alives.KEPT,
        # Each process of a proxy sends one every few seconds.
        is_frequent=True,
    )
    def update(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        document = req.document()
        schema.validate(keep_alives.KEEP, document)
        self.services.policy.authorize(req.caller, policies.UPDATE)
        sessions, now = self.services.sessions, self.services.clock()
        wanted = document['console_sessions']
        reports = keep_alives.reports(document)
        closed = [*reports, *wanted.get('closed_ids', ())]
        if closed:
            sessions.close_all(req.caller, closed, reports)
        if 'proxy_id' in wanted:
            return keep_alives.kept_proxy(
                self.services.keep_alives.keep_proxy(
                    wanted['proxy_id'],
                    wanted['ids'],
                    keep_alives.modes(wanted.get('modes', {})),
                    wanted.get('others', False),
                ),
                now,
            )
        kept = self.services.keep_alives.keep(wanted['ids'])
        modes = self.services.session_modes.get(kept)
        return keep_alives.kept(kept, now, modes)
