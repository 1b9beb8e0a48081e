# SPDX-License-Identifier: Apache-2.0

"""/console-sessions: the sessions that a console proxy has opened."""

import dataclasses
import http
from typing import Any

import webob

from console_svc.api.bodies import schema
from console_svc.api.bodies import sessions as bodies
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
        'PUT',
        'Keep sessions alive, or close several',
        body=(Form(bodies.KEEP.schema),),
        answer=bodies.KEPT,
        # Each process of a proxy sends one every few seconds.
        is_frequent=True,
    )
    def update(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        document = req.document()
        schema.validate(bodies.KEEP, document)
        self.services.policy.authorize(req.caller, policies.UPDATE)
        sessions, now = self.services.sessions, self.services.clock()
        wanted = document['console_sessions']
        if wanted.get('closed_ids'):
            sessions.close_all(req.caller, wanted['closed_ids'])
        if 'proxy_id' in wanted:
            return bodies.kept_proxy(
                sessions.keep_proxy(
                    wanted['proxy_id'],
                    wanted['ids'],
                    bodies.modes(wanted.get('modes', {})),
                ),
                now,
            )
        kept = sessions.keep(wanted['ids'])
        return bodies.kept(kept, now, self.services.session_modes.get(kept))
