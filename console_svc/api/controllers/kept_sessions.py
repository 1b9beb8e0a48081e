# SPDX-License-Identifier: Apache-2.0

"""/console-sessions: all that a console proxy keeps alive, at once."""

import dataclasses
from typing import Any

import webob

from console_svc.api import schemas, views
from console_svc.api.controllers.base import Resource, Services, methods
from console_svc.api.request import Request
from console_svc.policies import sessions as policies


@dataclasses.dataclass(slots=True)
class KeptSessionsController(Resource):
    """/console-sessions"""

    services: Services
    index = methods()

    @index.when(method='PUT', template='json')
    def update(self, req: Request, resp: webob.Response) -> dict[str, Any]:
        document = req.document()
        schemas.validate(schemas.KEPT_SESSIONS, document)
        self.services.policy.authorize(req.caller, policies.UPDATE)
        return views.kept_sessions(
            self.services.sessions.keep_all(
                document['console_sessions']['ids']
            )
        )
